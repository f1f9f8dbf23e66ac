"""What a target is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from compiler.batches import Batches
from compiler.graph import Graph
from compiler.quantized import Quantized
from edge_bundle.contract import Contract
from edge_bundle.proof import EstimateProof, Execution, PlacementProof
from edge_runtime.engine import EngineSource
from hardware_profiles.schema import Profile


@dataclass(frozen=True, kw_only=True)
class TargetJob:
    """One graph for one profile: float, or in QDQ form as the profile's scheme says.

    ``batches`` are the sizes that get code of their own where code has static shapes.
    """

    graph: Graph
    profile: Profile
    contract: Contract
    batches: Batches


@dataclass(frozen=True, kw_only=True)
class Lowered:
    """The artifact of one profile: file name -> bytes, and the file that the runtime opens.

    ``execution`` says what runs it when it is proven; a ``stand_in`` is what is run where nothing here can run the
    artifact itself. ``placement`` and ``estimate`` are what the vendor's compiler reported. ``quantized`` is what it
    was made of, where that is no float graph; ``compiler/lowering.py`` fills it.
    """

    profile: Profile
    files: Mapping[str, bytes] = field(repr=False)
    entrypoint: str
    toolchain: Mapping[str, str]
    execution: Execution = Execution.DEVICE
    stand_in: EngineSource | None = field(default=None, repr=False)
    placement: PlacementProof | None = None
    estimate: EstimateProof | None = None
    quantized: Quantized | None = field(default=None, repr=False)


class Target(Protocol):
    """``lower`` of a module of this package."""

    def __call__(self, job: TargetJob) -> Lowered:
        """The artifact.

        Raises:
            CompileError: the target cannot take the graph; names operator and node where it can.
            ToolFailedError: the vendor's compiler crashed, hung, or fell back.
            RuntimeMissingError: a package is not installed; names the extra.
            InvalidInputError: an option of the profile has an unknown value.
            PlacementError, LimitExceededError: the profile allows less than the model needs.

        """
