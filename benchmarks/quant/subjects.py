"""The models that are quantized: the graph after fusing, and rows to calibrate and to judge with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quant.answers import answers
from benchmarks.quant.held_out import HELD_OUT
from benchmarks.wasm.models import fused
from compiler.graph import Graph
from compiler.importer import model_file
from examples.real_models.inputs import Arrays
from examples.real_models.prepare import RECIPES, Recipe

Rows = list[dict[str, NDArray[Any]]]

NAMES = ("mobilenetv2", "ic", "kws", "ad")
"""Those of the real models that are quantized, in the order of the table."""

CLASSIFIERS = frozenset({"mobilenetv2", "ic", "kws"})
"""Models whose answer is a class; the autoencoder's is a spectrum."""

FEW = (8, 20, 50)
"""Sizes of small calibration sets that are tried as well."""

SEED = 1


@dataclass(frozen=True)
class Subject:
    """One model. Every quantizer gets ``graph`` and ``calibration``; the held-out rows judge."""

    name: str
    graph: Graph
    calibration: Rows
    held_out: Rows

    @cached_property
    def wanted(self) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """The float model's outputs, and what goes into its Softmax."""
        return answers(self.graph.model, self.held_out)

    def with_few(self, count: int) -> Subject:
        """The same with ``count`` of the calibration rows."""
        keys = np.asarray(np.random.PCG64(SEED).random_raw(len(self.calibration)))
        fewer = replace(self, calibration=[self.calibration[at] for at in np.sort(np.argsort(keys)[:count])])
        fewer.__dict__["wanted"] = self.wanted  # the same rows judge: the float model need not run again
        return fewer


def subject(name: str, models: Path) -> Subject | None:
    """A model by name, ``None`` where its file is not there."""
    recipe: Recipe = RECIPES[name]
    path = models / recipe.file
    if not path.is_file():
        return None
    data = recipe.data(path.parent, _never)
    held_out = dict.fromkeys(data.calibration, HELD_OUT[name](path.parent))
    return Subject(name, fused(model_file.read_file(path)), _rows(data.calibration), _rows(held_out))


def _never(row: Arrays) -> Arrays:
    """These models' inputs do not need the model."""
    raise AssertionError(f"expected no inference for inputs, got one of {', '.join(row)}")


def _rows(arrays: Arrays) -> Rows:
    count = len(next(iter(arrays.values())))
    return [{name: array[index : index + 1] for name, array in arrays.items()} for index in range(count)]
