"""Compiler: one ONNX model in, one measured variant per hardware profile out."""
