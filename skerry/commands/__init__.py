"""One file per verb of the command line; each imports its heavy parts only when it runs."""
