"""Named limits on everything that is read from elsewhere, with unit and reason.

They bound what a hostile or broken file can cost before its signature or digest is known to hold. Each is far above
what this project's own models need (largest real artifact here: 14 MB).
"""

from __future__ import annotations

MAX_JSON_BYTES = 4 << 20
"""Any JSON document, in bytes. OCI distribution spec section 4.4 asks registries for 4 MiB manifests."""

MAX_JSON_DEPTH = 32
"""Nesting of arrays and objects. Our deepest document (SLSA provenance) nests 7 deep."""

MAX_SAFE_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 7493 section 2.2, RFC 8785 section 3.2.2.3)."""

MAX_INDEX_BYTES = 1 << 20
"""Release index, bundle index or image manifest, in bytes."""

MAX_VARIANTS = 256
"""Variants in one bundle; one per hardware profile."""

MAX_LAYERS = 16
"""Layers in one image manifest; a variant has three."""

MAX_ENVELOPE_BYTES = 4 << 20
"""DSSE envelope, in bytes; a proof is about 1.5 kB per variant before base64."""

MAX_SIGNATURES = 64
"""Signatures in one envelope; each costs one Ed25519 verification (about 50 us)."""

MAX_CONFIG_BYTES = 1 << 20
"""Variant manifest (OCI config blob), in bytes."""

MAX_CONTRACT_BYTES = 1 << 20
"""Contract, as TOML or canonical JSON, in bytes."""

MAX_ARTIFACT_BLOB_BYTES = 1 << 30
"""Compressed artifact layer, in bytes; it is held in memory while it is verified."""

MAX_ARTIFACT_BYTES = 2 << 30
"""Unpacked artifact, in bytes; ONNX protobufs cannot exceed 2 GiB (protobuf's own limit)."""

MAX_ARTIFACT_FILES = 256
"""Files in one artifact; an engine reads one to four."""

MAX_GOLDEN_BLOB_BYTES = 64 << 20
"""Compressed golden vectors, in bytes."""

MAX_GOLDEN_BYTES = 256 << 20
"""Unpacked golden vectors, in bytes."""

MAX_GOLDEN_VECTORS = 64
"""Golden vectors in one variant; each costs one inference at activation."""

MAX_RATIO = 200
"""Unpacked over packed size. Real weights pack 1.1 to 4 times; zeros pack over 10,000 times."""

RATIO_FLOOR_BYTES = 1 << 20
"""Unpacked sizes up to this are harmless at any ratio (a tar of small files is mostly zero padding)."""

MAX_MODELS = 256
"""Models on one node, and so slots in one poll and orders in one answer."""

MAX_OUTCOMES = 256
"""Outcomes in one poll; one per model and attempt. Each costs the hub's one writer a look into its database."""

MAX_LAYOUT_FILES = 4096
"""Files in a bundle packed as one ``.tar``: 256 variants of at most 5 blobs, with room for directories."""

MAX_LAYOUT_BYTES = 64 << 30
"""A bundle packed as one ``.tar``, in bytes; read piece by piece, never as a whole."""

MAX_NAME_BYTES = 255
"""A path inside an archive, in bytes (POSIX.1-1988 ustar: prefix 155 + "/" + name 100, rounded to NAME_MAX)."""

MAX_KEY_FILE_BYTES = 1024
"""A key file, in bytes; ours have 66."""
