"""A thin Python client of the hub and of an agent."""
