"""Package data of the ``workers`` target: the hand-written modules that every built hook carries unchanged."""
