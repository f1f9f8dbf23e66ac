"""Which ONNX file a path means."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bundle.errors import InvalidInputError
from skerry.model_file import find_model


def test_a_file_is_itself_even_if_it_is_missing(tmp_path: Path) -> None:
    assert find_model(tmp_path / "a.onnx") == tmp_path / "a.onnx"


def test_a_folder_means_its_one_model(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").touch()
    (tmp_path / "contract.toml").touch()
    assert find_model(tmp_path) == tmp_path / "a.onnx"


@pytest.mark.parametrize("count", [pytest.param(0, id="empty"), pytest.param(2, id="ambiguous")])
def test_a_folder_without_one_model_is_refused(tmp_path: Path, count: int) -> None:
    for number in range(count):
        (tmp_path / f"{number}.onnx").touch()
    with pytest.raises(InvalidInputError, match=f"{count} of them"):
        find_model(tmp_path)
