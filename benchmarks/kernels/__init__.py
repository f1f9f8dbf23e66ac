"""Rates of single kernels over the layer shapes of the real models, in wasmtime and in V8."""
