"""Run Skerry's WebAssembly modules under wasmtime."""
