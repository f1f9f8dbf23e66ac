"""Alembic's entry: runs the migrations over the connection that ``store/database.py`` hands in."""

from __future__ import annotations

from alembic import context

from fleet_hub.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True)
context.run_migrations()
