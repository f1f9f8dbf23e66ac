"""Which ONNX file a path means: the file itself, or the only one in a folder."""

from __future__ import annotations

from pathlib import Path

from edge_bundle.errors import InvalidInputError


def find_model(path: Path) -> Path:
    """The path itself unless it is a folder; then the one ``.onnx`` file in it, else ``InvalidInputError``."""
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.onnx"))
    if len(found) != 1:
        raise InvalidInputError(
            file=str(path),
            expected="a folder with one .onnx file",
            got=f"{len(found)} of them",
            advice="name the ONNX file itself",
        )
    return found[0]
