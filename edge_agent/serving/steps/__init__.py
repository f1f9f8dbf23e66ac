"""The steps of a request, one file each; their order is in ``edge_agent/serving/pipeline.py``."""
