"""Pass ``flat_rows``: a product reads flattened images with channels last as they are.

Requires: ``integers`` ran; transposes and views are merged.
Ensures:
    1. a ``skerry.gemm`` or ``skerry.qgemm`` never reads a flat view of an image whose channels a ``Transpose`` has put
       first: the rows of its weights stand in the order of the image instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import IrGraph, Node
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.draft import IMAGE, MATRIX, Draft
from compiler.wasm.passes.relayout import to_first
from compiler.wasm.passes.weight_tensor import is_weight, rearranged

NAME = "flat_rows"


@dataclass(frozen=True)
class _Image:
    """The image [N, H, W, C] behind a flat view."""

    name: str
    shape: tuple[int, ...]

    def rows(self, weights: NDArray[np.generic]) -> NDArray[np.generic]:
        """Weights [C * H * W, columns] in the order H, W, C."""
        _, height, width, channels = self.shape
        return weights.reshape(channels, height, width, -1).transpose(1, 2, 0, 3).reshape(weights.shape)


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Rewrite every product of rule 1."""
    draft = Draft(graph)
    for node in graph.nodes:
        image = _image(draft, node) if node.op in ("skerry.gemm", "skerry.qgemm") else None
        draft.emit(node if image is None else _reordered(draft, node, image))
    return draft.finish()


def _image(draft: Draft, node: Node) -> _Image | None:
    view = draft.maker(node.input(0))
    turned = draft.maker(view.input(0)) if view is not None and view.op == "Reshape" else None
    if turned is None or turned.op != "Transpose":
        return None
    source = draft.types[turned.input(0)]
    if source.rank != IMAGE or tuple(turned.attrs["perm"]) != to_first(IMAGE):
        return None
    flat = draft.types[node.input(0)]
    known = draft.constant(node.input(1)) is not None or is_weight(draft, node.input(1))
    fits = flat.rank == MATRIX and flat.shape[0] == source.shape[0]
    return _Image(turned.input(0), source.shape) if known and fits else None


def _reordered(draft: Draft, node: Node, image: _Image) -> Node:
    name = draft.fresh(f"{node.input(1)}@rows")
    stored = draft.constant(node.input(1))
    if stored is not None:
        weights = draft.new_constant(name, image.rows(stored))
    else:
        weights = rearranged(draft, node.input(1), image.rows, name)
    flat = draft.reshaped(image.name, draft.types[node.input(0)].shape, draft.fresh(f"{node.input(0)}@last"))
    return replace(node, inputs=(flat, weights, *node.inputs[2:]))
