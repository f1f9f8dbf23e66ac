"""Windows of any geometry: what TFLite pads is what ONNX pads."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import shape_inference  # noqa: TID251 - made here, read by the package

from compiler.tflite.write import write_tflite
from tests.compiler.models import model
from tests.compiler.tflite.running import graph_of, node, rand, run_onnx, run_tflite

CHANNELS = 4

_side = st.integers(1, 4)
_pair = st.tuples(_side, _side)
_pads = st.one_of(
    st.fixed_dictionaries({"auto_pad": st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"])}),
    st.fixed_dictionaries({"pads": st.lists(st.integers(0, 2), min_size=4, max_size=4)}),
)


def _holds(node_attrs: dict[str, Any], op: str, size: tuple[int, int], constants: dict[str, Any]) -> None:
    """Run one node in ONNX Runtime and in LiteRT."""
    names = ["x", *constants]
    made = node(op, names, **node_attrs)
    open_model = model(
        [made], inputs={"x": (1, CHANNELS, *size)}, outputs={"y": ("a", "b", "c", "d")}, constants=constants
    )
    inferred = shape_inference.infer_shapes(open_model, strict_mode=True).graph.output[0].type.tensor_type.shape
    shape = [one.dim_value for one in inferred.dim]
    assume(all(shape))
    proto = model([made], inputs={"x": (1, CHANNELS, *size)}, outputs={"y": shape}, constants=constants)
    graph = graph_of(proto)
    feed = {"x": rand(1, CHANNELS, *size)}
    wanted, found = run_onnx(graph, feed)["y"], run_tflite(write_tflite(graph), feed)["y"]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    kernel=_pair, strides=_pair, dilations=st.sampled_from([(1, 1), (2, 1), (2, 2)]), pads=_pads,
    size=st.tuples(st.integers(8, 12), st.integers(8, 12)), group=st.sampled_from([1, 2, CHANNELS]),
)  # fmt: skip
def test_convolutions(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: dict[str, Any],
    size: tuple[int, int],
    group: int,
) -> None:
    if str(pads.get("auto_pad", "")).startswith("SAME"):  # ONNX Runtime takes no dilations with it
        assume(dilations == (1, 1))
    attrs = {"strides": strides, "dilations": dilations, "group": group, **pads}
    _holds(attrs, "Conv", size, {"w": rand(CHANNELS, CHANNELS // group, *kernel)})


@settings(deadline=None, max_examples=40)
@given(
    kernel=_pair, strides=_pair, size=st.tuples(st.integers(8, 12), st.integers(8, 12)), ceil=st.booleans(),
    pads=st.one_of(st.just({}), st.fixed_dictionaries({"auto_pad": st.sampled_from(["SAME_UPPER", "VALID"])})),
)  # fmt: skip
def test_max_pools(
    kernel: tuple[int, int], strides: tuple[int, int], size: tuple[int, int], pads: dict[str, Any], *, ceil: bool
) -> None:
    assume(all(k >= s for k, s in zip(kernel, strides, strict=True)))  # ONNX Runtime refuses others
    attrs = {"kernel_shape": kernel, "strides": strides, "ceil_mode": int(ceil and not pads), **pads}
    _holds(attrs, "MaxPool", size, {})


@settings(deadline=None, max_examples=40)
@given(
    kernel=_pair, strides=_pair, size=st.tuples(st.integers(3, 6), st.integers(3, 6)),
    pads=st.lists(st.integers(0, 1), min_size=4, max_size=4),
)  # fmt: skip
def test_transposed_convolutions(
    kernel: tuple[int, int], strides: tuple[int, int], size: tuple[int, int], pads: list[int]
) -> None:
    assume(all(k >= s for k, s in zip(kernel, strides, strict=True)))
    _holds({"strides": strides, "pads": pads}, "ConvTranspose", size, {"w": rand(CHANNELS, 3, *kernel)})
