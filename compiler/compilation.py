"""The state that travels through the passes: frozen, and filled further by each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset
from compiler.graph import Graph
from compiler.measuring.race import Race
from compiler.metrics.judge import Judge
from compiler.metrics.scored import Scored
from compiler.quantization.observed import Observed
from compiler.quantization.quantize import Quantizer
from compiler.quantized import Quantized
from compiler.request import CompileRequest
from compiler.scheme import Scheme
from compiler.targets.target import Lowered
from edge_bundle.bundle import BundleRefs
from edge_bundle.contract import Contract
from edge_bundle.errors import CompileError, SkerryError
from edge_bundle.golden import GoldenVector
from edge_bundle.manifest import NumericClass
from edge_bundle.proof import (
    AccuracyProof,
    AgreementProof,
    DeterminismProof,
    LatencyProof,
    MeasuredOn,
    PairedProof,
    PlacementProof,
    Proof,
)
from hardware_profiles.schema import Profile

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What was read from disk: parsed, checked, and known by digest."""

    contract: Contract
    contract_digest: str
    model: bytes = field(repr=False)
    model_digest: str
    calibration: Dataset | None
    evaluation: Dataset
    judge: Judge


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A profile (one of its candidates, in a race) that gets no variant: the pass that refused it, and why."""

    profile: Profile
    stage: str
    error: SkerryError


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The imported model run in fp32 by ONNX Runtime: the yardstick of every variant.

    ``outputs`` has shape [samples, ...]: the contract's scored output, which ``scored`` holds against what is right
    and ``judge`` knows now too.
    """

    outputs: NDArray[np.generic] = field(repr=False)
    judge: Judge = field(repr=False)
    scored: Scored = field(repr=False)
    accuracy: AccuracyProof


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """One lowered variant over the evaluation set, held against what is right and against fp32."""

    lowered: Lowered
    accuracy: AccuracyProof
    slices: Mapping[str, AccuracyProof]
    agreement: AgreementProof
    paired: PairedProof | None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The figures of one lowered variant; a ``Proof`` but for the digest that packaging gives it."""

    lowered: Lowered
    numeric_class: NumericClass
    goldens: tuple[GoldenVector, ...] = field(repr=False)
    accuracy: AccuracyProof
    slices: Mapping[str, AccuracyProof]
    agreement: AgreementProof
    paired: PairedProof | None
    latency: LatencyProof | None
    peak_rss_bytes: int
    determinism: DeterminismProof
    placement: PlacementProof | None
    measured_on: MeasuredOn
    measured_at: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One line of the compile's log: the graph after a pass."""

    name: str
    op_counts: Mapping[str, int]
    graph_bytes: int
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """Everything known so far. The pass that fills a field is named beside it."""

    request: CompileRequest
    sources: Sources
    graph: Graph | None = None  # import, then normalise, fold, fuse
    reference_graph: Graph | None = None  # import
    observed: Observed | None = None  # calibrate
    quantized: Mapping[Scheme, Quantized] = field(default_factory=dict)  # quantize
    quantizers: Mapping[Scheme, Quantizer] = field(default_factory=dict, repr=False)  # quantize
    lowered: tuple[Lowered, ...] = ()  # lower, then evaluate
    reference: Reference | None = None  # quantize, or evaluate
    evaluated: tuple[Evaluated, ...] = ()  # evaluate
    measured: tuple[Measured, ...] = ()  # prove
    refused: tuple[Refusal, ...] = ()  # quantize, lower, evaluate, prove
    races: tuple[Race, ...] = ()  # race
    refs: BundleRefs | None = None  # package
    proofs: tuple[Proof, ...] = ()  # sign
    release_index_digest: str = ""  # sign
    stages: tuple[Stage, ...] = ()  # the pipeline itself

    @property
    def current(self) -> Graph:
        """The float graph as the last pass left it."""
        return need(self.graph, "graph")


def need(value: T | None, what: str) -> T:
    """The value that an earlier pass fills.

    Raises:
        CompileError: the pass list is in the wrong order.

    """
    if value is None:
        raise CompileError(stage="pipeline", detail=f"expected an earlier pass to give the {what}, got none")
    return value
