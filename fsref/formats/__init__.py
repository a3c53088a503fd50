"""File formats, one module each, which documents its own."""
