"""The passes of a compile, one file each. The list that orders them is ``compiler/pipeline.py``."""
