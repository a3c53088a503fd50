"""What a chip can do, and what of a network it cannot (CHIP)."""
