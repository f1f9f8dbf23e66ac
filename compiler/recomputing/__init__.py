"""A signed release measured again, and which of its figures hold."""
