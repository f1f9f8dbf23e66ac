"""Look into WebAssembly modules: sizes, memory, time by step, instructions."""
