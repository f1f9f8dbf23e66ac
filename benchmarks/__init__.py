"""Benchmarks: pairs measured alternately in one run, reported as ratios."""
