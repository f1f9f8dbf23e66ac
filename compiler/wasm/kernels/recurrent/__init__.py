"""Kernels of recurrent layers: products of rows by packed weights, cells, and the walk over time."""
