"""LiteRT against the graph it came from, and against other runtimes."""
