"""File formats. Each module documents its own."""
