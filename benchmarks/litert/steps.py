"""How often LiteRT's kernels are a step off the arithmetic of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.litert.exact import exact
from compiler.tflite.flatbuffer import to_bytes
from compiler.tflite.model import Operation, Quant, TfliteModel
from edge_runtime.litert_program import LiteRtProgram


@dataclass(frozen=True)
class Steps:
    """Integers that were judged, how many are off, and by how many steps of their scale at most."""

    count: int = 0
    wrong: int = 0
    most: int = 0

    def __add__(self, other: Steps) -> Steps:
        return Steps(self.count + other.count, self.wrong + other.wrong, max(self.most, other.most))


def count_steps(
    model: TfliteModel, feeds: Sequence[Mapping[str, NDArray[Any]]], kernels: str, *, threads: int = 1
) -> dict[str, Steps]:
    """TFLite operator -> its steps over all ``feeds``.

    Every integer tensor is made an output, and each operation is judged by the inputs that it had.
    """
    places = tuple(one.outputs[0] for one in model.operations if isinstance(_quant(model, one), Quant))
    program = LiteRtProgram(to_bytes(replace(model, outputs=places)), threads=threads, kernels=kernels)
    names = [model.tensors[place].name for place in places]
    found: dict[str, Steps] = {}
    for feed in feeds:
        values = dict(zip(places, program.run(feed, names), strict=True))
        for one in model.operations:
            wanted = _exact(model, one, values)
            if wanted is not None:
                off = np.abs(wanted - values[one.outputs[0]])
                steps = Steps(off.size, int((off > 0).sum()), int(off.max(initial=0)))
                found[one.op] = found.get(one.op, Steps()) + steps
    return found


def _quant(model: TfliteModel, operation: Operation) -> object:
    return model.tensors[operation.outputs[0]].quant


def _exact(model: TfliteModel, operation: Operation, values: Mapping[int, NDArray[Any]]) -> NDArray[np.int64] | None:
    known = all(place in values or model.tensors[place].data is not None for place in operation.inputs)
    return exact(model, operation, values) if known and operation.outputs[0] in values else None
