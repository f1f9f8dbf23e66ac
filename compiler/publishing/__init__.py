"""How a finished bundle takes its place on disk, and the documents beside it."""
