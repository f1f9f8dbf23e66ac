"""Errors of the elementary functions of the WebAssembly target."""
