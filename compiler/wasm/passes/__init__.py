"""The passes of the WebAssembly compiler, one a file."""
