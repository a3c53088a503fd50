"""PyTorch models, traced with torch.export."""
