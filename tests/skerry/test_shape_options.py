"""Sizes of dimensions and batches on the command line."""

from __future__ import annotations

import click
import pytest

from skerry.shape_options import BATCHES, DIM, MAX_SIZE


@pytest.mark.parametrize(
    ("text", "found"),
    [("N=3", ("N", 3)), ("input:0=576", ("input:0", 576)), (f"a b={MAX_SIZE}", ("a b", MAX_SIZE))],
)
def test_dimensions(text: str, found: tuple[str, int]) -> None:
    assert DIM.convert(text, None, None) == found


@pytest.mark.parametrize("text", ["N", "N=", "=3", "N=0", "N=-1", "N=x", f"N={MAX_SIZE + 1}", "N=٣"])
def test_wrong_dimensions(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected NAME=SIZE"):
        DIM.convert(text, None, None)


@pytest.mark.parametrize(("text", "found"), [("1", (1,)), ("8,1,8", (1, 8)), ("2,16", (2, 16))])
def test_batches(text: str, found: tuple[int, ...]) -> None:
    assert BATCHES.convert(text, None, None) == found


@pytest.mark.parametrize("text", ["", "0", "1,", "1;8", "-1", "10000", "a"])
def test_wrong_batches(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected batch sizes like 1,8"):
        BATCHES.convert(text, None, None)
