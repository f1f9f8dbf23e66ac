"""Seeded infer requests for the made-up model: right ones, and ones with something wrong or odd about them."""

from __future__ import annotations

import json
import random
import struct
from dataclasses import dataclass
from typing import Any

from edge_bundle.contract import TensorRule
from edge_bundle.tensor import DYNAMIC, DType
from tests.cdn_hooks.samples import INPUTS, MAX_BATCH

ODD_VALUES: tuple[Any, ...] = (
    "1", None, True, False, [], {}, -0.0, 1.0, 0, -1, 1.5, 1e39, -1e39, 1e300, 1e-50, 2**53 - 1, 2**53 + 1, 2**63,
    -(2**63), 2**64, 16777217, 0.1, 3.4028235677973366e38,
)  # fmt: skip
ODD_TEXT = ("-0", "1e400", "1.0", "1E2", "NaN", "null", '"\\ud800"', "{", "]", ",", " ", "\ufeff")


@dataclass(frozen=True)
class Made:
    """A body, and the text of the header ``Inference-Header-Content-Length`` if there is one."""

    body: bytes
    head_length: str | None


class RequestMaker:
    """Makes requests; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def make(self) -> Made:
        """One request; about a third are right in every way."""
        rng = self._rng
        tail: list[bytes] = []
        rows = rng.choice((1, 2, MAX_BATCH))
        inputs = [self._input(rule, rows, tail) for rule in rng.sample(INPUTS, len(INPUTS))]
        head: dict[str, Any] = {"inputs": inputs, **self._members()}
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            self._spoil(head)
        text = json.dumps(head)
        if rng.random() < 0.15:
            text = self._scratch(text)
        return self._frame(text.encode("utf-8", "surrogatepass"), b"".join(tail))

    def _input(self, rule: TensorRule, rows: int, tail: list[bytes]) -> dict[str, Any]:
        rng = self._rng
        shape = [rows if size == DYNAMIC else size for size in rule.shape]
        count = 1
        for size in shape:
            count *= size
        values = [self._value(rule.dtype) for _ in range(count)]
        given: dict[str, Any] = {"name": rule.name, "datatype": rule.dtype.value, "shape": shape}
        if rule.dtype is DType.FP16 or rng.random() < 0.4:
            raw = struct.pack(f"<{count}{rule.dtype.struct_code}", *values)
            tail.append(raw)
            return given | {"parameters": {"binary_data_size": len(raw)}}
        if len(shape) == 2 and rng.random() < 0.5:
            return given | {"data": [values[at : at + shape[1]] for at in range(0, count, shape[1])]}
        return given | {"data": values}

    def _value(self, dtype: DType) -> Any:
        rng = self._rng
        if dtype is DType.BOOL:
            return rng.random() < 0.5
        if dtype is DType.INT64:
            return rng.randint(-(2**40), 2**40)
        return rng.choice((0.0, -0.0, 1.0, float(rng.randint(-9, 9)), rng.uniform(-1, 1)))

    def _members(self) -> dict[str, Any]:
        rng = self._rng
        members: dict[str, Any] = {"parameters": {"binary_data_output": True}}
        if rng.random() < 0.3:
            members["outputs"] = [{"name": "y", "parameters": {"binary_data": rng.random() < 0.5}}, {"name": "z"}]
        if rng.random() < 0.3:
            members["id"] = rng.choice(("a", "\u00e9\u2028", None))
        return members

    def _spoil(self, head: dict[str, Any]) -> None:
        """Change one thing anywhere in the tree."""
        rng = self._rng
        holder: Any = head
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                return
            key = rng.choice(keys)
            if not isinstance(holder[key], dict | list) or not holder[key] or rng.random() < 0.15:
                break
            holder = holder[key]
        self._change(holder, key)

    def _change(self, holder: Any, key: Any) -> None:
        rng = self._rng
        match rng.randrange(4):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.append(holder[key])
            case 1:
                holder[rng.choice(("name", "note", "data", "parameters"))] = holder[key]
            case _:
                holder[key] = rng.choice((*ODD_VALUES, "y", "x", "FP32", "FP64", "BYTES"))

    def _scratch(self, text: str) -> str:
        """Damage the text itself."""
        at = self._rng.randrange(len(text))
        cut = self._rng.choice((0, 1, 1, 3))
        return text[:at] + self._rng.choice(("", *ODD_TEXT)) + text[at + cut :]

    def _frame(self, head: bytes, tail: bytes) -> Made:
        rng = self._rng
        if rng.random() < 0.05:
            tail = rng.choice((tail[:-1], tail + b"\0", b""))
        if rng.random() < 0.05:
            return Made(head + tail, rng.choice((None, "0", "-1", "x", "1e1", "00012", str(len(head) - 1), "999999")))
        return Made(head + tail, str(len(head)) if tail or rng.random() < 0.5 else None)
