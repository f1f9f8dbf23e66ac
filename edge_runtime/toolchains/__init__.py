"""Toolchains that cannot live beside ours: each in an environment of its own, made on demand from pinned packages."""
