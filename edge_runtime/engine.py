"""The Engine interface: a variant loaded into its runtime, ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from edge_bundle.proof import PlacementProof
from edge_bundle.tensor import Tensor, TensorSpec


@dataclass(frozen=True)
class EngineSource:
    """Everything an engine is opened from; nothing but ``cache_dir`` is read from disk or environment.

    ``files`` holds the artifact by file name and ``entrypoint`` names the one to open. ``inputs`` are all inputs of
    the model, ``outputs`` those to be returned. ``threads`` is exact: it is part of the numeric class ``host-exact``.
    ``options`` are the runtime's own (each engine lists its names); an unknown one is an error.
    ``cache_dir`` is the node's own folder for code that a runtime compiled there; without it nothing is kept.
    """

    runtime: str
    files: Mapping[str, bytes]
    entrypoint: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    threads: int = 1
    options: Mapping[str, str] = field(default_factory=dict)
    cache_dir: Path | None = None


class Engine(Protocol):
    """A loaded variant. One call at a time: the caller serialises ``run`` and ``close``.

    Where ``concurrent_runs`` (``factory.py``) says more than 1, so many calls of ``run`` may overlap.

    The same inputs give the same bytes on the same device, runtime version and thread count.
    """

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` takes: every one of these, nothing else."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` returns."""

    @property
    def runtime_version(self) -> str:
        """Version of the runtime's package."""

    @property
    def placement(self) -> PlacementProof | None:
        """Where the nodes really run, read back from the runtime; ``None`` where there is nothing but the CPU."""

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One inference; the outputs own their bytes.

        Raises:
            EngineError: an input does not fit its spec, or the runtime failed.
            AlreadyClosedError: after ``close()``.

        """

    def close(self) -> None:
        """Free the runtime's memory. Closing again does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
