"""The rules of the operators that passes make (``skerry.*``, ``compiler/wasm/specs.py``); ``table.py`` names the files.

``quantized.py`` has the rules of all 8-bit operators; the other ``quantized_*.py`` make its steps.
"""
