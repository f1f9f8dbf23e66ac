"""Benchmarks: subjects measured in turn in one run, reported as ratios."""
