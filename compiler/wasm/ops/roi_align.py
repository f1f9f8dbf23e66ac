"""RoiAlign: averages or maxima of interpolated samples inside regions that are data."""

from __future__ import annotations

from compiler.ir.graph import Node
from compiler.wasm.kernels.roi_align import MAX_SAMPLES, Regions, roi_align
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter


def _roi_align(node: Node, scope: Scope) -> Step:
    x, kind = scope.type_of(node.input(0)), scope.type_of(node.output)
    mode = str(node.attrs.get("mode", "avg"))
    if mode not in ("avg", "max") or 0 in (*x.shape, *kind.shape):
        raise refuse(node, f"mode {mode!r} over {list(x.shape)}")
    how = Regions(
        image=x.shape,
        output=kind.shape,
        indices=scope.type_of(node.input(2)).dtype,
        scale=float(node.attrs.get("spatial_scale", 1.0)),
        ratio=int(node.attrs.get("sampling_ratio", 0)),
        half_pixel=str(node.attrs.get("coordinate_transformation_mode", "half_pixel")) == "half_pixel",
        average=mode == "avg",
    )

    def emit(out: StepEmitter) -> None:
        x_at, rois, images = (out.at(node.input(index)) for index in range(3))
        roi_align(out.fn, how, x_at, rois, images, out.at(node.output))

    return Step(
        name=node.name, op="roi_align", reads=tuple(dict.fromkeys(node.inputs)), writes=(node.output,), emit=emit
    )


_NOTE = f"a bin of more than {MAX_SAMPLES} samples along an axis traps, as does an image that is not there"
RULES: Rules = {"RoiAlign": Rule(lower=_roi_align, dtypes=FP32, note=_NOTE)}
