"""The example in docs/bundle-format.md is what the code writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from edge_bundle.cache_key import cache_key, cache_scope
from edge_bundle.canonical import decode
from edge_bundle.contract_file import contract_digest
from edge_bundle.http_signature import sign_request
from edge_bundle.manifest import NumericClass
from edge_bundle.oci import ImageIndex, ImageManifest
from tests.edge_bundle.samples import ALICE, MODEL_DIGEST, floats, sample_contract, sample_release
from tests.golden_files import assert_golden, updating

PAGE = Path(__file__).parents[2] / "docs" / "bundle-format.md"
BEGIN, END = "<!-- example: begin -->\n", "<!-- example: end -->\n"
MAX_BYTES = 1 << 20


def pretty(data: bytes) -> str:
    return f"```json\n{json.dumps(json.loads(data), indent=2, ensure_ascii=False)}\n```\n"


def shown(title: str, data: bytes) -> str:
    return f"{title}, {len(data)} bytes of canonical JSON, indented here:\n\n{pretty(data)}"


def example(directory: Path) -> Iterator[str]:
    release = sample_release(directory)
    layout, refs = release.layout, release.refs
    bundle = layout.read(refs.bundle_digest, max_bytes=MAX_BYTES)
    image = layout.read(refs.variant_digests["cpu-fp32"], max_bytes=MAX_BYTES)
    config = decode(image, ImageManifest, what="image").config
    _, provenance = decode(release.index, ImageIndex, what="index").manifests[1:]
    yield f"Made with libzstd {'.'.join(map(str, zstandard.ZSTD_VERSION))}.\n"
    yield shown("The release index (`index.json`)", release.index)
    yield shown(f"The bundle index, `{refs.bundle_digest}`", bundle)
    yield shown("The image manifest of `cpu-fp32`", image)
    yield shown("Its config", layout.read(config.digest, max_bytes=MAX_BYTES))
    yield shown("The provenance envelope", layout.read(provenance.digest, max_bytes=MAX_BYTES))
    key = cache_key(
        model_digest=MODEL_DIGEST,
        scope=cache_scope(NumericClass.HOST_EXACT, refs.variant_digests["cpu-fp32"]),
        contract_digest=contract_digest(sample_contract()),
        hook_digest="",
        inputs=[("image", floats(*([0.0] * 64), shape=(1, 1, 8, 8)))],
    )
    yield f"The cache key of an image of 64 zeros, for this variant: `{key}`.\n"
    headers = sign_request(ALICE, "node-1", "POST", "/v1/nodes/node-1/poll", b"{}", 1_800_000_000)
    lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
    yield f"`POST /v1/nodes/node-1/poll` with body `{{}}`, signed by the first key:\n\n```text\n{lines}\n```\n"


def test_example_is_what_the_code_writes(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    old, tail = rest.split(END)
    new = "\n".join(example(tmp_path / "bundle"))
    if not updating() and old.splitlines()[0] != new.splitlines()[0]:
        pytest.skip(f"the page's example was {old.splitlines()[0].lower()}")
    assert_golden(PAGE, f"{head}{BEGIN}{new}{END}{tail}")
