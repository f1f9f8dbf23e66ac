"""The operator table: for each ONNX operator, which TFLite operators stand for it."""
