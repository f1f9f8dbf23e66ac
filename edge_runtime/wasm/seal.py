"""The two custom sections that make a module ours: what it says of itself, and a digest over all of it.

The seal guards against damage and edits by hand: a module of which any byte changed is refused before it is compiled.
Whether the module is to be trusted at all is told by the digests and signatures of the bundle it comes in.
"""

from __future__ import annotations

import hashlib

from edge_bundle import canonical
from edge_bundle.errors import LimitExceededError
from edge_runtime.wasm.abi import INFO_DECODER, MAX_STEPS, SEAL_SECTION, SECTION, ModuleInfo
from wasm_emit.binary import append_custom


def seal(code: bytes, info: ModuleInfo) -> bytes:
    """The module with both sections appended. ``code`` has no data section yet; weights may be appended after it.

    What is written here can be read: raises ``LimitExceededError`` for more than ``MAX_STEPS`` steps or too long a
    section, and ``FormatError`` for anything else that no engine would take.
    """
    if len(info.steps) > MAX_STEPS:
        raise LimitExceededError(what="module", limit=MAX_STEPS, got=len(info.steps), unit="steps")
    description = canonical.dumps(info)
    canonical.decode(description, INFO_DECODER, what=f"section {SECTION!r}")
    described = append_custom(code, SECTION, description)
    return append_custom(described, SEAL_SECTION, digest_of(described))


def digest_of(described: bytes | memoryview) -> bytes:
    """SHA-256 over every byte in front of the seal's section."""
    return hashlib.sha256(described).digest()
