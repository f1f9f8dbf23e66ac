"""What a manifest may not claim of itself: held by the writer of a bundle and by whoever verifies it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from edge_bundle.bundle import VariantContent
from edge_bundle.contract_file import contract_digest
from edge_bundle.errors import FormatError
from edge_bundle.manifest import NumericClass
from edge_bundle.variant_rules import check_variant
from tests.edge_bundle.samples import sample_variant

RELAXED = {"relaxed-simd": "on"}


def claimed(numeric_class: NumericClass, options: dict[str, str]) -> VariantContent:
    variant = sample_variant("wasm-relaxed-simd")
    manifest = msgspec.structs.replace(variant.manifest, runtime="wasm", numeric_class=numeric_class, options=options)
    return replace(variant, manifest=manifest)


def check(variant: VariantContent) -> None:
    digest = contract_digest(variant.contract)
    check_variant(variant.manifest, variant.contract, digest, variant.artifact, variant.goldens)


@pytest.mark.parametrize(
    ("numeric_class", "options"),
    [
        (NumericClass.HOST_EXACT, RELAXED),
        (NumericClass.APPROXIMATE, RELAXED),
        (NumericClass.PORTABLE_EXACT, {"relaxed-simd": "off"}),
        (NumericClass.PORTABLE_EXACT, {}),
    ],
)
def test_claims_that_may_hold(numeric_class: NumericClass, options: dict[str, str]) -> None:
    check(claimed(numeric_class, options))


@pytest.mark.parametrize("setting", ["on", "ON", "1", ""])
def test_portable_bits_with_relaxed_instructions(setting: str) -> None:
    message = "option relaxed-simd: expected off for a variant of class portable-exact"
    with pytest.raises(FormatError, match=message):
        check(claimed(NumericClass.PORTABLE_EXACT, {"relaxed-simd": setting}))
