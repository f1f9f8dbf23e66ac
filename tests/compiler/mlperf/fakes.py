"""A clock that only engines move, and an engine whose times are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from compiler.mlperf.queries import Samples
from edge_bundle.tensor import DType, Tensor, TensorSpec

US = 1000

SPEC = TensorSpec(name="x", dtype=DType.UINT8, shape=(-1, 2))


@dataclass
class FakeClock:
    """Nanoseconds; waiting takes exactly as long as asked."""

    now: int = 0

    def now_ns(self) -> int:
        return self.now

    def wait_until_ns(self, at_ns: int) -> None:
        self.now = max(self.now, at_ns)


@dataclass
class FakeEngine:
    """Run number ``n`` of ``rows`` rows takes ``service_ns(n, rows)``."""

    clock: FakeClock
    service_ns: Callable[[int, int], int]
    runs: list[int] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    inputs: tuple[TensorSpec, ...] = (SPEC,)
    outputs: tuple[TensorSpec, ...] = (SPEC,)
    runtime_version: str = "0"
    placement: None = None

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        rows = inputs["x"].shape[0]
        self.clock.now += self.service_ns(len(self.runs), rows)
        self.runs.append(rows)
        self.seen.append(bytes(inputs["x"].data))
        return {"x": inputs["x"]}

    def close(self) -> None:
        """Nothing to free."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def samples(count: int = 20, *, batchable: bool = True) -> Samples:
    """Samples of two bytes, each with its own number."""
    rows = [{"x": Tensor(DType.UINT8, (1, 2), bytes([index, index]))} for index in range(count)]
    return Samples(rows=rows, source="numbers", batchable=batchable)
