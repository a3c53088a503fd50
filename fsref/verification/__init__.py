"""Whether two things are the same: engines, recordings, a float graph, somebody else's network."""
