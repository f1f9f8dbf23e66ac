"""Rewrites of a graph in ONNX's terms, before it is written as TFLite: fewer operators, and dtypes that TFLite has."""
