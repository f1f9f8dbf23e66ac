"""Integer kernels: 8-bit activations and weights, 32-bit sums, bit-exact requantization."""
