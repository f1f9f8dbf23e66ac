"""Variants run and measured: outputs, latency, memory, bits that change, and who wins a race."""
