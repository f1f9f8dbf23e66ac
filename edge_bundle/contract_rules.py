"""What a contract must satisfy beyond the shape of its fields. The rules are numbered and quoted at the checks.

1. Tensor names are unique within inputs and within outputs.
2. Only dimension 0 may be -1 (the batch), no dimension is 0, and an output has a batch only if an input has one.
3. A range has ``minimum <= maximum``, both finite, whole and representable for integer dtypes; BOOL has none.
4. ``clip`` needs a bound to clip to; ``allow_nan`` needs a float dtype.
5. ``accuracy.output`` names an output.
6. Every number is finite.
7. A sensitive model's answers are not reused in a CDN.
8. ``accuracy.k`` and ``accuracy.function`` are given for their own metric, and only there.
9. ``accuracy.maximum`` bounds an error, ``accuracy.minimum`` everything else; shares lie between 0 and 1.
10. ``auc`` is held against labels: the fp32 model's scores are no classes.
11. No model is called ``stats``: ``/v2/models/stats`` is the agent's own page (as in Triton's statistics extension).
12. No profile is named twice in ``fallback.profiles``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from edge_bundle.contract import AccuracyTarget, Against, Contract, Metric, OnViolation, Reuse, TensorRule
from edge_bundle.errors import InvalidInputError
from edge_bundle.tensor import DYNAMIC, DType

_FLOAT_MAX = {DType.FP16: 65504.0, DType.FP32: 3.4028234663852886e38, DType.FP64: math.inf}

RESERVED_NAME = "stats"


def check_contract(contract: Contract, *, file: str) -> None:
    """Raise ``InvalidInputError`` for the first rule that is broken; ``file`` is named in it."""
    for key, expected, got in _violations(contract):
        raise InvalidInputError(file=file, key=key, expected=expected, got=got)


_Violation = tuple[str, str, str]
"""Key path, what was expected, what was got."""


def _violations(contract: Contract) -> Iterator[_Violation]:
    for side, rules in (("inputs", contract.inputs), ("outputs", contract.outputs)):
        yield from _names(side, rules)
        for i, rule in enumerate(rules):
            yield from _shape(f"{side}[{i}]", rule)
            yield from _range(f"{side}[{i}]", rule)
    yield from _whole(contract)


def _names(side: str, rules: tuple[TensorRule, ...]) -> Iterator[_Violation]:
    # Rule 1
    seen: set[str] = set()
    for i, rule in enumerate(rules):
        if rule.name in seen:
            yield f"{side}[{i}].name", "names that differ", f"{rule.name!r} twice"
        seen.add(rule.name)


def _shape(key: str, rule: TensorRule) -> Iterator[_Violation]:
    # Rule 2
    for axis, size in enumerate(rule.shape):
        if size == 0:
            yield f"{key}.shape[{axis}]", "a dimension of at least 1 (or -1 for the batch)", "0"
        if size == DYNAMIC and axis > 0:
            yield f"{key}.shape[{axis}]", "a fixed dimension (only the first may be -1)", "-1"


def _range(key: str, rule: TensorRule) -> Iterator[_Violation]:
    # Rule 3
    for side, bound in (("minimum", rule.minimum), ("maximum", rule.maximum)):
        if bound is not None:
            yield from _bound(f"{key}.{side}", rule.dtype, bound)
    if rule.minimum is not None and rule.maximum is not None and rule.minimum > rule.maximum:
        yield f"{key}.minimum", f"at most the maximum, {rule.maximum:g}", f"{rule.minimum:g}"
    # Rule 4
    if rule.on_violation is OnViolation.CLIP and rule.minimum is None and rule.maximum is None:
        yield f"{key}.on_violation", "a minimum or a maximum to clip to", "neither"
    if rule.allow_nan and not rule.dtype.is_float:
        yield f"{key}.allow_nan", "false, because the dtype has no NaN", f"true with {rule.dtype}"


def _bound(key: str, dtype: DType, bound: float) -> Iterator[_Violation]:
    if dtype is DType.BOOL:
        yield key, "no range for BOOL", f"{bound:g}"
        return
    if not math.isfinite(bound):
        yield key, "a finite number (leave the key out for no bound)", f"{bound}"
        return
    low, high = _dtype_range(dtype)
    if not low <= bound <= high:
        yield key, f"a value that {dtype} can hold", f"{bound:g}"
    elif not dtype.is_float and bound != int(bound):
        yield key, f"a whole number for {dtype}", f"{bound:g}"


def _dtype_range(dtype: DType) -> tuple[float, float]:
    if dtype.is_float:
        return -_FLOAT_MAX[dtype], _FLOAT_MAX[dtype]
    bits = 8 * dtype.itemsize
    if dtype.value.startswith("U"):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _whole(contract: Contract) -> Iterator[_Violation]:
    # Rule 2
    batched = [r.name for r in contract.outputs if r.shape[:1] == (DYNAMIC,)]
    if batched and not any(r.shape[:1] == (DYNAMIC,) for r in contract.inputs):
        yield "outputs", "a fixed first dimension, because no input has -1 there", f"-1 in {batched[0]!r}"
    # Rule 5
    outputs = [rule.name for rule in contract.outputs]
    if contract.accuracy.output not in outputs:
        yield "accuracy.output", f"one of the outputs: {', '.join(outputs)}", repr(contract.accuracy.output)
    # Rule 6
    for key, value in _numbers(contract):
        if not math.isfinite(value):
            yield key, "a finite number", str(value)
    # Rule 7
    if contract.privacy.sensitive and contract.cache.reuse is Reuse.CDN:
        yield "cache.reuse", f"{Reuse.NODE.value!r}, because privacy.sensitive is true", repr(Reuse.CDN.value)
    yield from _accuracy(contract.accuracy)
    # Rule 11
    if contract.name == RESERVED_NAME:
        yield "name", "a name that no endpoint of the agent has", repr(contract.name)
    # Rule 12
    chain = contract.fallback.profiles
    for i, name in enumerate(chain):
        if name in chain[:i]:
            yield f"fallback.profiles[{i}]", "names that differ", f"{name!r} twice"


def _accuracy(target: AccuracyTarget) -> Iterator[_Violation]:
    metric = target.metric
    # Rule 8
    for key, wanted in (("k", Metric.TOP_K), ("function", Metric.FUNCTION)):
        value = getattr(target, key)
        if metric is wanted and value is None:
            yield f"accuracy.{key}", f"a value, because the metric is {metric.value!r}", "none"
        if metric is not wanted and value is not None:
            yield f"accuracy.{key}", f"no such key, because the metric is {metric.value!r}", repr(value)
    # Rule 9
    bound, other = ("maximum", "minimum") if metric.lower_is_better else ("minimum", "maximum")
    if metric is not Metric.FUNCTION and getattr(target, other) is not None:
        yield f"accuracy.{other}", f"{bound}, because the metric is {metric.value!r}", f"{getattr(target, other):g}"
    if (metric.is_share or metric is Metric.AUC) and not 0.0 <= (target.minimum or 0.0) <= 1.0:
        yield "accuracy.minimum", "a share between 0 and 1", f"{target.minimum:g}"
    # Rule 10
    if metric is Metric.AUC and target.against is not Against.LABELS:
        yield "accuracy.against", f"{Against.LABELS.value!r}, because the metric is 'auc'", repr(target.against.value)


def _numbers(contract: Contract) -> Iterator[tuple[str, float]]:
    yield "cache.ttl_s", contract.cache.ttl_s
    yield "golden.atol", contract.golden.atol
    yield "golden.rtol", contract.golden.rtol
    yield "accuracy.max_drop", contract.accuracy.max_drop
    for key in ("minimum", "maximum"):
        bound = getattr(contract.accuracy, key)
        if bound is not None:
            yield f"accuracy.{key}", bound
    if contract.latency:
        yield "latency.p99_ms", contract.latency.p99_ms
