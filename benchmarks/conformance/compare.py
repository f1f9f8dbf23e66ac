"""Compare what a module gave with what the case expects: floats by its tolerances, everything else exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def difference(expected: NDArray[Any], got: NDArray[Any], *, rtol: float, atol: float) -> str:
    """What differs, in words; empty if nothing does.

    The rule for floats is ``numpy.testing.assert_allclose``'s, as in the package's own runner:
    ``|got - expected| <= atol + rtol * |expected|``, NaN equal to NaN.
    """
    if expected.shape != got.shape:
        return f"expected shape {list(expected.shape)}, got {list(got.shape)}"
    if expected.dtype != got.dtype:
        return f"expected {expected.dtype}, got {got.dtype}"
    if expected.dtype.kind == "f":
        wrong = ~np.isclose(got.astype("f8"), expected.astype("f8"), rtol=rtol, atol=atol, equal_nan=True)
    else:
        wrong = np.asarray(expected != got)
    if not wrong.any():
        return ""
    first = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    count = f"{int(wrong.sum())} of {wrong.size} elements differ"
    return f"{count}; at {[int(i) for i in first]} expected {expected[first]!s}, got {got[first]!s}"
