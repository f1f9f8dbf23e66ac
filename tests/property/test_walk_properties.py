"""No change of a byte anywhere makes the walk vouch for anything else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bundle.errors import DigestMismatchError, SkerryError
from edge_bundle.walk import walk_source
from tests.edge_bundle.forge import Forge
from tests.edge_bundle.samples import POLICY

FORGE = Forge()
INDEX = FORGE.make()
GOOD = walk_source(INDEX, FORGE, POLICY)
SIZES = [len(INDEX), *map(len, FORGE.blobs.values())]


class OneByteOff:
    """Serves one blob with a byte changed."""

    def __init__(self, digest: str, position: int, flip: int) -> None:
        self._digest, self._position, self._flip = digest, position, flip

    def read(self, digest: str, *, max_bytes: int) -> bytes:
        data = FORGE.blobs[digest]
        return changed(data, self._position, self._flip) if digest == self._digest else data


def changed(data: bytes, position: int, flip: int) -> bytes:
    at = position % len(data)
    return data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(FORGE.blobs)), st.integers(0, max(SIZES)), st.integers(1, 255))
def test_flipped_byte_in_any_blob_is_refused(digest: str, position: int, flip: int) -> None:
    with pytest.raises(DigestMismatchError):
        walk_source(INDEX, OneByteOff(digest, position, flip), POLICY)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(INDEX)), st.integers(1, 255))
def test_flipped_byte_in_the_index_is_refused_or_means_the_same(position: int, flip: int) -> None:
    try:
        release = walk_source(changed(INDEX, position, flip), FORGE, POLICY)
    except SkerryError:
        return
    assert release == GOOD
