"""Conformance: the node tests that come with the ONNX package, compiled to WebAssembly and run under wasmtime."""
