"""Accuracy control: layers go back to a higher precision until a quantized graph keeps the contract."""
