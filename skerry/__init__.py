"""The skerry command line and Python client."""
