"""Tuned float32 kernels: matrix products, convolutions, pooling."""
