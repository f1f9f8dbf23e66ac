"""The passes of the WebAssembly compiler, one a file, and what they share.

A file with ``NAME`` and ``run`` is a pass, and ``pipeline.py`` has its place; all passes rewrite a ``Draft``. Every
other file is about one thing that passes look at: layouts, windows, weights, activations, quantized values.
"""
