"""Train the digits example and write its files: ``python -m examples.digits.train [--out FOLDER]``.

Writes ``digits.onnx``, ``calibration.npz``, ``evaluation.npz`` and ``record.json``. Running it again gives the same
bytes: the data ship with scikit-learn, randomness is the raw PCG64 stream (which numpy promises to keep), and
``network.py`` computes without order-dependent sums.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx  # noqa: TID251 - this example makes an ONNX file; the compiler only reads them
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper  # noqa: TID251
from sklearn.datasets import load_digits

from examples.digits.network import SHAPES, Adam, Array, Parameters, gradients, probabilities

SEED = 20
EPOCHS = 15
BATCH = 32
LEARNING_RATE = 0.004
PIXEL_MAX = 16.0
SPLIT = {"calibration": 200, "evaluation": 500}
"""Images per part, classes in equal shares; the rest is for training."""
OPSET, IR_VERSION = 21, 10
FILES = ("digits.onnx", "calibration.npz", "evaluation.npz")


class Randomness:
    """Uniform numbers and orders from the raw PCG64 stream."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, shape: tuple[int, ...]) -> Array:
        """Multiples of 2**-53 in [-1, 1)."""
        raw = np.asarray(self._bits.random_raw(int(np.prod(shape))))
        return np.asarray(((raw >> 11) * 2.0**-52 - 1.0).reshape(shape), dtype=np.float64)

    def order(self, count: int) -> NDArray[np.int64]:
        """A permutation of ``range(count)``."""
        return np.argsort(np.asarray(self._bits.random_raw(count)), kind="stable")


def split(labels: NDArray[np.int64], randomness: Randomness) -> dict[str, NDArray[np.int64]]:
    """Indices of the disjoint, stratified parts ``train``, ``calibration`` and ``evaluation``, ascending."""
    order = randomness.order(len(labels))
    parts: dict[str, list[NDArray[np.int64]]] = {"train": [], **{part: [] for part in SPLIT}}
    for digit in range(10):
        left = order[labels[order] == digit]
        for part, count in SPLIT.items():
            parts[part].append(left[: count // 10])
            left = left[count // 10 :]
        parts["train"].append(left)
    return {part: np.sort(np.concatenate(pieces)) for part, pieces in parts.items()}


def train(images: Array, labels: NDArray[np.int64], randomness: Randomness) -> Parameters:
    """Parameters after ``EPOCHS`` passes over ``images`` ``[n, 1, 8, 8]`` in 0..1."""
    parameters = {name: _initial(shape, randomness) for name, shape in SHAPES.items()}
    adam = Adam(parameters, learning_rate=LEARNING_RATE, steps=EPOCHS * (len(images) // BATCH))
    for _ in range(EPOCHS):
        order = randomness.order(len(images))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            batch = order[start : start + BATCH]
            adam.update(parameters, gradients(parameters, images[batch], labels[batch]))
    return parameters


def _initial(shape: tuple[int, ...], randomness: Randomness) -> Array:
    """He initialisation (He et al., 2015), uniform; zero for biases."""
    if len(shape) == 1:
        return np.zeros(shape)
    return randomness.uniform(shape) * float(np.sqrt(6.0 / np.prod(shape[1:])))


def export(parameters: Parameters) -> bytes:
    """The ONNX model: raw pixels 0..16 in (the division by 16 is folded into the first convolution), float32."""
    weights = {**parameters, "conv1.weight": parameters["conv1.weight"] / PIXEL_MAX}
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        _node("Conv", "conv1", ["image", "conv1.weight", "conv1.bias"], "conv1.out", **conv),
        _node("Relu", "relu1", ["conv1.out"], "relu1.out"),
        _node("MaxPool", "pool1", ["relu1.out"], "pool1.out", **pool),
        _node("Conv", "conv2", ["pool1.out", "conv2.weight", "conv2.bias"], "conv2.out", **conv),
        _node("Relu", "relu2", ["conv2.out"], "relu2.out"),
        _node("MaxPool", "pool2", ["relu2.out"], "pool2.out", **pool),
        _node("Flatten", "flatten", ["pool2.out"], "flatten.out", axis=1),
        _node("Gemm", "dense", ["flatten.out", "dense.weight", "dense.bias"], "dense.out", transB=1),
        _node("Softmax", "softmax", ["dense.out"], "probabilities", axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(value.astype("<f4"), name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="skerry-digits")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _node(kind: str, name: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], name=name, **attributes)


def write_data(out: Path, images: Array, labels: NDArray[np.int64], parts: dict[str, NDArray[np.int64]]) -> None:
    """``calibration.npz`` (inputs by name) and ``evaluation.npz`` (the same, with ``labels`` and ``slice``)."""
    ink = images.sum(axis=(1, 2, 3))
    middle = np.median(ink[parts["train"]])
    chosen = parts["evaluation"]
    write_npz(out / "calibration.npz", image=images[parts["calibration"]].astype("<f4"))
    write_npz(
        out / "evaluation.npz",
        image=images[chosen].astype("<f4"),
        labels=labels[chosen].astype("<i8"),
        slice=np.where(ink[chosen] < middle, "ink-light", "ink-heavy"),
    )


def write_npz(path: Path, **arrays: NDArray[np.generic]) -> None:
    """A .npz file with the same bytes under every Python: ``np.savez`` asks for ZIP64, which they mark differently."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())


def main() -> None:
    """Train, write, and record what was written."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=Path(__file__).parent)
    out: Path = arguments.parse_args().out
    data = load_digits()
    images, labels = data.images.reshape(-1, 1, 8, 8), data.target.astype(np.int64)
    randomness = Randomness(SEED)
    parts = split(labels, randomness)
    parameters = train(images[parts["train"]] / PIXEL_MAX, labels[parts["train"]], randomness)
    (out / "digits.onnx").write_bytes(export(parameters))
    write_data(out, images, labels, parts)
    chosen = parts["evaluation"]
    answers = probabilities(parameters, images[chosen] / PIXEL_MAX).argmax(1)
    record = {
        "correct": int((answers == labels[chosen]).sum()),
        "samples": {part: len(indices) for part, indices in sorted(parts.items())},
        "sha256": {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in FILES},
    }
    (out / "record.json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"{record['correct']} of {len(chosen)} evaluation images right")


if __name__ == "__main__":
    main()
