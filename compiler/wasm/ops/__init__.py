"""The op table: how each operator becomes a step, one family a file.

A family's file has a ``RULES`` table, and ``table.py`` names the file. Operators that passes make (``skerry.*``) are in
``internal``; all others are ONNX's.
"""
