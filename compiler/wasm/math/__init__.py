"""Elementary functions as fixed polynomial code: the same bits on every engine."""
