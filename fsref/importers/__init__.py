"""Models of other frameworks as float graphs (GRAPH-7): a folder each, and what they share."""
