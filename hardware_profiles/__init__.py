"""Hardware profiles: schema, loader, and detection of this machine."""
