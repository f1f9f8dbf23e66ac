"""Arm Ethos-U: an int8 TFLite file through Vela, Arm's compiler, and what must hold of the result."""
