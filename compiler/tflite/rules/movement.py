"""Operators that only move values."""

from __future__ import annotations

from compiler.tflite.kernel import Integers, Kernel
from compiler.tflite.rule import Rule, Rules
from compiler.tflite.site import Site


def _reshape(site: Site) -> None:
    site.give(site.draft.reshaped(site.read(0), site.made.shape))


def _transpose(site: Site) -> None:
    """Nothing is moved: the tensor holds the result in another order."""
    rank = site.type_of(0).rank
    moved = tuple(site.node.attrs.get("perm", tuple(reversed(range(rank)))))
    order = site.order(0)
    site.give(site.read(0, order), tuple(moved.index(axis) for axis in order))


_SAME = Kernel(integers=Integers.SAME)

RULES: Rules = {
    **dict.fromkeys(
        ("Flatten", "Reshape", "Squeeze", "Unsqueeze"), Rule(lower=_reshape, tflite=("RESHAPE",), kernel=_SAME)
    ),
    "Transpose": Rule(lower=_transpose, tflite=("TRANSPOSE",), kernel=_SAME),
}
