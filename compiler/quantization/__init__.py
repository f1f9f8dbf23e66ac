"""Skerry's own post-training quantization: observe once, plan per scheme, measure every choice."""
