"""A classifier, and the same with an input that eight bits cannot hold."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, helper  # noqa: TID251 - made here, read by the package

from compiler.request import CompileRequest
from tests.compiler.models import contract_text, model, write_job

SIZES = (8, 16, 16, 16, 4)
"""Features, three hidden layers, classes."""

LOUD = 300.0
"""How much louder the first feature is than the others: 8 bits over all of them leave nothing of the quiet ones, 16 do."""

RNG = np.random.default_rng(7)
ROWS = RNG.normal(size=(240, SIZES[0])).astype(np.float32)
WEIGHTS = [(RNG.normal(size=pair) / np.sqrt(pair[0])).astype(np.float32) for pair in itertools.pairwise(SIZES)]


def loud_rows() -> np.ndarray[Any, np.dtype[np.float32]]:
    """The rows with a loud first feature."""
    return ROWS * np.array([LOUD, *[1.0] * (SIZES[0] - 1)], dtype=np.float32)


def stack(*, loud: bool) -> ModelProto:
    """Dense layers ``dense0`` to ``dense3``, Relus between them.

    A ``loud`` feature is part of the graph's input, so no scaling between layers can make up for it. Two channels of
    the first layer read it and nothing else, the others do not: bytes do for the weights, but not for the input.
    """
    first = WEIGHTS[0].copy()
    first[0], first[1:, :2] = 0.0, 0.0
    first[0, :2] = 3.0 / (LOUD if loud else 1.0) * np.array([1.0, -1.0])
    nodes, constants, name = [], {}, "x"
    for i, weight in enumerate([first, *WEIGHTS[1:]]):
        last = i == len(WEIGHTS) - 1
        constants[f"W{i}"] = weight
        product = "y" if last else f"m{i}"
        nodes.append(helper.make_node("MatMul", [name, f"W{i}"], [product], name=f"dense{i}"))
        if not last:
            nodes.append(helper.make_node("Relu", [product], [f"h{i}"], name=f"relu{i}"))
        name = f"h{i}"
    inputs, outputs = {"x": ("N", SIZES[0])}, {"y": ("N", SIZES[-1])}
    return model(nodes, inputs=inputs, outputs=outputs, constants=constants)


def job(folder: Path, *, loud: bool, accuracy: str, profiles: tuple[str, ...] = ("cpu-int8",)) -> CompileRequest:
    """A compile whose answers are held against the float model's."""
    contract = contract_text(
        inputs={"x": (-1, SIZES[0])},
        outputs={"y": (-1, SIZES[-1])},
        low=-1e6,
        high=1e6,
        accuracy=f'against = "reference"\n{accuracy}',
    )
    rows = loud_rows() if loud else ROWS
    return write_job(
        folder,
        stack(loud=loud).SerializeToString(),
        contract,
        calibration={"x": rows[:120]},
        evaluation={"x": rows[120:]},
        profiles=profiles,
    )
