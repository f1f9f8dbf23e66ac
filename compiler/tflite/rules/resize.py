"""Images in other sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.tflite.kernel import Integers, Kernel
from compiler.tflite.model import OptionValue
from compiler.tflite.qdq import QdqGraph
from compiler.tflite.rule import Rule, Rules
from compiler.tflite.rules.elementwise import ordered
from compiler.tflite.site import Site
from compiler.tflite.windows import IMAGE

Places: TypeAlias = NDArray[np.float64]

_ORDER = (0, 2, 3, 1)
_ROUNDS: Mapping[str, Callable[[Places], Places]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda places: np.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: np.floor(places + 0.5),
}
"""ONNX's ``nearest_mode``."""

_HALF_PIXEL = ("half_pixel", "pytorch_half_pixel")


def _resize(site: Site) -> None:
    attrs = site.node.attrs
    mode, coordinates = (
        str(attrs.get("mode", "nearest")),
        str(attrs.get("coordinate_transformation_mode", "half_pixel")),
    )
    before, after = site.type_of(0).shape, site.made.shape
    if len(before) != IMAGE or before[:2] != after[:2]:
        raise site.refuse("expected an image whose height and width change")
    if attrs.get("antialias", 0) or attrs.get("exclude_outside", 0):
        raise site.refuse("antialias and exclude_outside")
    _check_scales(site, before, after)
    if mode == "nearest":
        _check_nearest(site, before, after, coordinates)
    elif mode != "linear" or coordinates not in (*_HALF_PIXEL, "asymmetric", "align_corners"):
        raise site.refuse(f"mode {mode!r} with coordinates {coordinates!r}")
    if mode == "linear" and coordinates == "pytorch_half_pixel" and 1 in after[2:]:
        raise site.refuse("pytorch_half_pixel to a size of 1")
    options: dict[str, OptionValue] = {
        "alignCorners": coordinates == "align_corners",
        "halfPixelCenters": coordinates in _HALF_PIXEL,
    }
    op, table = (
        ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")
        if mode == "nearest"
        else ("RESIZE_BILINEAR", "ResizeBilinearOptions")
    )
    sizes = site.draft.integers("sizes", after[2:])
    made = site.emit(op, (site.read(0, _ORDER), sizes), ordered(after, _ORDER), options, table)
    site.give(made, _ORDER)


def _check_scales(site: Site, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """TFLite knows sizes alone: a scale that is not their quotient cannot be said."""
    if not site.given(2):
        return
    for scale, old, new in zip(site.known(2, "scales").reshape(-1).tolist()[-2:], before[2:], after[2:], strict=True):
        if abs(old * scale - new) > 1e-4 * new:
            raise site.refuse(f"scale {scale} from {old} to {new}: sizes must have the quotient")


def _check_nearest(site: Site, before: tuple[int, ...], after: tuple[int, ...], coordinates: str) -> None:
    """Whether TFLite takes the same neighbours (``resize_nearest_neighbor.h``, ``GetNearestNeighbor``)."""
    rounding = str(site.node.attrs.get("nearest_mode", "round_prefer_floor"))
    for old, new in zip(before[2:], after[2:], strict=True):
        wanted = _onnx_neighbours(old, new, coordinates, rounding)
        if wanted is None or (wanted != _tflite_neighbours(old, new, coordinates)).any():
            raise site.refuse(f"nearest_mode {rounding!r} with coordinates {coordinates!r} from {old} to {new}")


def _onnx_neighbours(old: int, new: int, coordinates: str, rounding: str) -> Places | None:
    places, scale = np.arange(new, dtype=np.float64), new / old
    if coordinates in _HALF_PIXEL:
        places = (places + 0.5) / scale - 0.5 if new > 1 or coordinates == "half_pixel" else places * 0
    elif coordinates == "align_corners":
        places = places * ((old - 1) / max(new - 1, 1))
    elif coordinates == "asymmetric":
        places = places / scale
    else:
        return None
    rounds = _ROUNDS.get(rounding)
    return None if rounds is None else np.clip(rounds(places), 0, old - 1)


def _tflite_neighbours(old: int, new: int, coordinates: str) -> Places:
    align = coordinates == "align_corners" and new > 1
    scale = np.float32((old - 1) / (new - 1)) if align else np.float32(old / new)
    offset = np.float32(0.5 if coordinates in _HALF_PIXEL else 0.0)
    places = (np.arange(new, dtype=np.float32) + offset) * scale
    found = np.floor(places + np.float32(0.5)) if align else np.floor(places)
    neighbours: Places = np.clip(found, 0, old - 1).astype(np.float64)
    return neighbours


def _nearest(_graph: QdqGraph, node: Node) -> bool:
    """Interpolated integers are rounded TFLite's own way."""
    return str(node.attrs.get("mode", "nearest")) == "nearest"


RULES: Rules = {
    "Resize": Rule(
        lower=_resize,
        tflite=("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"),
        kernel=Kernel(integers=Integers.SAME, accepts=_nearest),
        note="images; nearest where TFLite takes the same neighbours, linear in float32",
    ),
}
