"""Running a network: runs, recordings and their reader, where two recordings differ, images in a pipeline."""
