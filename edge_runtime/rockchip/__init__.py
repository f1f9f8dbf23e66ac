"""Rockchip's NPU simulator, which runs in the environment of the vendor's toolkit."""
