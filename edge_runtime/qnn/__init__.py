"""Qualcomm's NPU (Hexagon Tensor Processor) through ONNX Runtime's plugin ``onnxruntime-qnn``."""
