"""What each runtime is given: one file per runtime turns a graph into an artifact."""
