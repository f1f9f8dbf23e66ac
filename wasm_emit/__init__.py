"""A small typed WebAssembly builder and WAT writer. Knows no models."""
