"""Hypothesis strategies for the values that cross formats."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from edge_bundle.limits import MAX_SAFE_INTEGER
from edge_bundle.tensor import DType, Tensor

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | numbers | text
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5), max_leaves=20
)

segments = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,10}", fullmatch=True)
file_names = st.lists(segments, min_size=1, max_size=4).map("/".join)
files = st.dictionaries(file_names, st.binary(max_size=1500), max_size=6)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    dtype = draw(st.sampled_from(DType))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    size = math.prod(shape) * dtype.itemsize
    return Tensor(dtype, shape, draw(st.binary(min_size=size, max_size=size)))


named_tensors = st.dictionaries(st.text("abcxyz_:/é", min_size=1, max_size=8), tensors(), min_size=1, max_size=3)
