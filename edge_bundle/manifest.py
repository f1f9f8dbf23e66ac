"""The Skerry manifest of one variant: the OCI config blob, canonical JSON, fully reproducible (nothing measured)."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from edge_bundle.contract import ModelName, VersionText
from edge_bundle.tensor import TensorSpec

MANIFEST_SCHEMA = 1


class NumericClass(enum.StrEnum):
    """How far a variant's outputs may be trusted to be bit-equal (design, section 1)."""

    PORTABLE_EXACT = "portable-exact"
    HOST_EXACT = "host-exact"
    APPROXIMATE = "approximate"


class Precision(enum.StrEnum):
    """Arithmetic of the compiled variant: weights and activations.

    ``a16w8`` holds activations in 16 bits and weights in 8; ``w8`` and ``w4`` store only weights in 8 or 4 bits, and
    compute in float32. Where layers were put back to keep the contract, the proof lists them.
    """

    FP32 = "fp32"
    INT8 = "int8"
    A16W8 = "a16w8"
    W8 = "w8"
    W4 = "w4"

    @property
    def quantized(self) -> bool:
        """Whether anything is stored in fewer bits than the model's own."""
        return self is not Precision.FP32

    @property
    def calibrated(self) -> bool:
        """Whether activations have ranges, which a calibration set gives."""
        return self in (Precision.INT8, Precision.A16W8)


class VariantManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a variant is and how to load it.

    ``entrypoint`` names the artifact file that the runtime opens; ``threads`` is fixed because it is part of the
    numeric class ``host-exact``; ``toolchain`` maps package names to the versions that made the artifact.
    """

    schema: Annotated[int, msgspec.Meta(ge=MANIFEST_SCHEMA, le=MANIFEST_SCHEMA)] = MANIFEST_SCHEMA
    name: ModelName
    version: VersionText
    profile: ModelName
    runtime: ModelName
    precision: Precision
    numeric_class: NumericClass
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)]
    entrypoint: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    options: dict[str, str] = {}
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    model_digest: str
    contract_digest: str
    toolchain: dict[str, str]
