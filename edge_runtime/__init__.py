"""Engines: load a variant, run tensors; used to prove and to serve."""
