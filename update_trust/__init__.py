"""TUF keys on PyNaCl: what agent and hub share of update trust."""
