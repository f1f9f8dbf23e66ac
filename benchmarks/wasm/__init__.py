"""Benchmarks of the WebAssembly target: latency against its peers, compile time, sizes, and time by step."""
