"""Tables and rasters as text, for a plain terminal."""
