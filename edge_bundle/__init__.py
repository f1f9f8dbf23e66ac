"""Contract core: formats, digests, signatures and verification shared by every other part."""
