"""The compiler's own graph: typed, static shapes, constants as arrays. Imports no ONNX library."""
