"""Inference over HTTP: codecs, the pipeline and its steps, cache, metadata, health and metrics."""
