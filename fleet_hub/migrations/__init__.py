"""Alembic environment of the hub's database."""
