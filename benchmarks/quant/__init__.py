"""Skerry's quantizer against ONNX Runtime's and NNCF's, on the same graphs and the same calibration data."""
