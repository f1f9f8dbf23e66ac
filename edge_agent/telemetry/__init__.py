"""Counting what was served, keeping it safe on disk, and sending it to the hub."""
