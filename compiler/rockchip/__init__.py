"""Rockchip's NPUs: a graph in QDQ form through the vendor's toolkit, and what it told of the result."""
