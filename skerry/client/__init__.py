"""A thin Python client of an agent; the hub's own client is ``fleet_hub.operator_client``."""
