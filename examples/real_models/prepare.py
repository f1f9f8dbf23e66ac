"""Make real models ready to compile: ``python -m examples.real_models.prepare ../shared/models build/models``.

For each model it writes ``contract.toml``, ``calibration.npz`` (where int8 makes sense) and ``evaluation.npz``, and
links the ONNX file. ``skerry compile`` takes a folder's files; ``skerry demo --more build/models`` serves them all.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_bundle.contract import Against, Contract
from edge_bundle.contract_file import load_contract
from edge_runtime.quiet_import import import_quietly
from examples.real_models import inputs
from examples.real_models.inputs import Arrays, Data, Run

CONTRACTS = Path(__file__).parent / "contracts"


@dataclass(frozen=True)
class Recipe:
    """One model: its file below the models folder, and where its inputs come from."""

    file: str
    data: Callable[[Path, Run], Data]


RECIPES = {
    "kws": Recipe("kws_dscnn/kws_fp32.onnx", lambda folder, _: inputs.keyword(folder)),
    "ic": Recipe("ic_resnet8/ic_fp32.onnx", lambda folder, _: inputs.thumbnails(folder)),
    "ad": Recipe("ad_autoencoder/ad_fp32.onnx", lambda folder, _: inputs.machine_sound(folder)),
    "mobilenetv2": Recipe("mobilenetv2/mobilenet_v2_fp32.onnx", lambda folder, _: inputs.photographs(folder)),
    "silero-vad": Recipe("silero_vad/silero_vad_16k_op15.onnx", inputs.speech),
}
"""Name of the contract, and of the folder that is written, to its recipe."""


def main() -> None:
    """Write the folder of every model that is there."""
    parser = argparse.ArgumentParser(description="Make real models ready to compile.")
    parser.add_argument("models", type=Path, help="folder with kws_dscnn, ic_resnet8, ...")
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--only", choices=list(RECIPES), action="append", help="this model alone; may be repeated")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, recipe in RECIPES.items():
        if options.only and name not in options.only:
            continue
        if (options.models / recipe.file).is_file():
            prepare(name, recipe, options.models.absolute(), options.out / name)
        else:
            sys.stderr.write(f"{name} is left out: no {options.models / recipe.file}\n")


def prepare(name: str, recipe: Recipe, models: Path, out: Path) -> None:
    """Write one model's folder; writing it again gives the same bytes."""
    source = models / recipe.file
    run = _float_model(source)
    data = recipe.data(source.parent, run)
    out.mkdir(parents=True, exist_ok=True)
    link = out / "model.onnx"
    link.unlink(missing_ok=True)
    link.symlink_to(source)
    shutil.copyfile(CONTRACTS / f"{name}.toml", out / "contract.toml")
    contract = load_contract(out / "contract.toml")
    labels = _labels(contract, data, run) if contract.accuracy.against is Against.LABELS else {}
    if data.calibration:
        _save(out / "calibration.npz", data.calibration)
    _save(out / "evaluation.npz", {**data.evaluation, **labels})


def _labels(contract: Contract, data: Data, run: Run) -> Arrays:
    """The float model's own first answers."""
    batched = {rule.name for rule in contract.inputs if rule.shape[:1] in ((-1,), (1,))}
    rows = range(len(next(iter(data.evaluation.values()))))
    found = [run(_row(data.evaluation, index, batched))[contract.accuracy.output].argmax() for index in rows]
    return {"labels": np.asarray(found, np.int64)}


def _float_model(source: Path) -> Run:
    """The model under ONNX Runtime."""
    onnxruntime = import_quietly("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session: Any = onnxruntime.InferenceSession(source.read_bytes(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]

    def run(row: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, row), strict=True))

    return run


def _row(arrays: Arrays, index: int, batched: set[str]) -> Arrays:
    return {n: a[index : index + 1] if n in batched else np.asarray(a[index]) for n, a in arrays.items()}


def _save(path: Path, arrays: Arrays) -> None:
    np.savez(path, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
