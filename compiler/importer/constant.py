"""The value of a ``Constant`` node."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.importer.call import Call

_SCALARS = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}


def constant_of(call: Call) -> NDArray[Any]:
    """The array.

    Raises:
        UnsupportedOperatorError: a string or a sparse tensor.

    """
    for name, value in call.attrs.items():
        if name == "value":
            array = np.asarray(value)
            if array.dtype.kind not in "biuf":
                raise call.refuse(f"expected a tensor of a dtype in use, got {array.dtype}")
            return array
        if name in _SCALARS:
            return np.array(value, _SCALARS[name])
    raise call.refuse(f"expected a dense tensor of numbers, got {', '.join(call.attrs) or 'nothing'}")
