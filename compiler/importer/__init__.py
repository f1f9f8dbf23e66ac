"""ONNX enters and is rewritten here, and nowhere else: lint forbids ``import onnx`` outside this package.

Models cross its boundary as bytes, ``Graph`` summaries and ``IrGraph``, so that no pass can depend on protobuf objects.
"""
