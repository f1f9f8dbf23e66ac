"""The WebAssembly code generator: an ONNX graph in, one import-free module out."""
