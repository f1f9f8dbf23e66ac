"""Accuracy as the contract measures it: metrics, their intervals, and the paired test against fp32. Pure numpy."""
