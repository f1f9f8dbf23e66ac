"""Steps of integer layers: what a convolution or matrix product needs in memory, and the calls of its kernels.

A residual is added in a pass of its own over what was just stored (it is still in the first-level cache): fused into
the tile, its constants and pointers cost wasmtime half of the tile's speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.int8 import binary, conv, packing, sliding, transforms
from compiler.wasm.kernels.int8 import depthwise as taps
from compiler.wasm.kernels.int8 import winograd as tiles
from compiler.wasm.kernels.int8.add import Addition, find_addition
from compiler.wasm.kernels.int8.conv import Image
from compiler.wasm.kernels.int8.packing import SEVEN_BITS, WORDS, Format
from compiler.wasm.kernels.int8.requantize import EXACT, Stored, stored_as
from compiler.wasm.kernels.int8.winograd import Tiling
from compiler.wasm.ops.rule import Scope, refuse
from compiler.wasm.specs import QConv2d, QGemm, QResidual, Quant
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Operand, as_i32

WIDENED_BYTES = 1 << 15
"""Rows are widened in blocks of at most so many bytes: half of a first-level cache."""


MAX_RELAXED = 127
"""Largest stored activation that relaxed SIMD multiplies alike on every machine (7 bits)."""


@dataclass(frozen=True)
class Sum:
    """The QLinearAdd after a layer: its formula, and how the sum is stored. ``signed`` are own and other operand."""

    other: str
    addition: Addition
    signed: tuple[bool, bool]
    stored: Stored


@dataclass(frozen=True)
class Layer:
    """A convolution or matrix product. ``weights`` are [columns, ...]; ``stored`` is ``None`` for float32 results."""

    node: Node
    weights: NDArray[Any]
    sums: packing.Sums
    scales: NDArray[np.float32]
    x: Quant
    stored: Stored | None
    residual: Sum | None
    flops: int
    relaxed: bool

    @property
    def form(self) -> Format:
        """How activations are multiplied."""
        return SEVEN_BITS if self.relaxed else WORDS

    @property
    def signed(self) -> bool:
        """Whether the activations are int8."""
        return self.x.dtype is DType.INT8

    @property
    def reads(self) -> tuple[str, ...]:
        """Values that the step reads."""
        return (self.node.input(0), *((self.residual.other,) if self.residual else ()))

    @property
    def itemsize(self) -> int:
        """Bytes of an output element."""
        return 4 if self.stored is None else 1

    @property
    def stored_key(self) -> str:
        """The output's part of a shared function's name."""
        return "f32" if self.stored is None else self.stored.key

    def step(self, op: str, emit: Callable[[StepEmitter], None], packed: NDArray[np.int8],
             parameters: NDArray[np.int32], scratch: dict[str, int], form: Format = WORDS) -> Step:  # fmt: skip
        """The step of a kernel that takes weights ``w`` and parameters ``p``; ``init`` widens the weights for words."""
        wide = form is WORDS

        def init(e: StepEmitter) -> None:
            conv.call_widen(e.fn, _widener(e, signed=True), e.constant("w"), e.expanded("w"), packed.size)

        return Step(
            name=self.node.name, op=op if wide else f"{op}_relaxed", reads=self.reads, writes=(self.node.output,),
            emit=emit, init=init if wide else None, constants={"w": packed, "p": parameters},
            expanded={"w": 2 * packed.size} if wide else {}, scratch=scratch, flops=self.flops,
        )  # fmt: skip

    def weights_at(self, e: StepEmitter) -> int:
        """Where the kernel finds its weights."""
        return e.constant("w") if self.relaxed else e.expanded("w")


def make_layer(
    node: Node, scope: Scope, weights: NDArray[Any], spec: QConv2d | QGemm, y: Quant | None, residual: QResidual | None
) -> Layer:
    """Fold, scale and prove.

    Raises:
        UnsupportedOperatorError: a sum may exceed 32 bits, or no exact formula for the residual's sum was found.

    """
    limits = spec.x_limits or packing.stored_range(spec.x)
    sums = packing.fold(weights, scope.constant(node.input(2)), spec.x, limits)
    if not sums.fits:
        raise refuse(node, "expected sums of at most 32 bits, got weights and a bias that can exceed them")
    scales = np.broadcast_to(packing.output_scales(spec.x, spec.w_scales, y), len(weights))
    stored = None if y is None else stored_as(y, spec.low, spec.high, bounded=sums.largest(scales) < EXACT)
    flops = 2 * weights.size // len(weights) * scope.type_of(node.output).size
    after = None if residual is None or y is None else _sum(node, spec, y, residual)
    seven_bits = spec.x.dtype is DType.UINT8 and max(limits[1], spec.x.zero_point) <= MAX_RELAXED
    return Layer(node, weights, sums, scales, spec.x, stored, after, flops, scope.options.relaxed and seven_bits)


def _sum(node: Node, spec: QConv2d | QGemm, y: Quant, residual: QResidual) -> Sum:
    addition = find_addition(y, residual.other, residual.y, (spec.low, spec.high))
    if addition is None:
        raise refuse(node, "expected scales whose sum can be computed exactly, got none of the known formulas right")
    stored = stored_as(residual.y, residual.low, residual.high, bounded=True)
    signed = (y.dtype is DType.INT8, residual.other.dtype is DType.INT8)
    return Sum(node.input(3), addition, signed, stored)


def product(layer: Layer, rows: int) -> Step:
    """A matrix product: blocks of rows are widened, then multiplied; seven-bit activations are multiplied in place."""
    weights, form = layer.weights.reshape(len(layer.weights), -1), layer.form
    columns, length = weights.shape
    packed = packing.pack_groups(weights[:, None, :], form)
    rows_at_once = min(rows, max(2, WIDENED_BYTES // (2 * length) & ~3))

    def emit(e: StepEmitter) -> None:
        fn = e.fn
        key = f"qproduct/{form.name}/{length}/{columns}/{layer.stored_key}"
        kernel = e.shared(key, lambda module: conv.build_product(module, key, length, columns, layer.stored, form))
        source, target = e.at(layer.reads[0]), e.at(layer.node.output)

        def part(start: Operand, count: int) -> None:
            x = start * length + source
            if not layer.relaxed:
                conv.call_widen(fn, _widener(e, signed=layer.signed), x, e.scratch("x"), count * length)
                x = as_i32(e.scratch("x"))
            out = start * columns
            y = out * layer.itemsize + target
            fn.do(fn.call(kernel, x, y, layer.weights_at(e), e.constant("p"), count))
            _add_residual(e, layer, out, count * columns)

        whole, rest = divmod(rows, rows_at_once)
        with fn.counted(whole * rows_at_once, step=rows_at_once, name="rows") as start:
            part(start, rows_at_once)
        if rest:
            part(fn.new(whole * rows_at_once), rest)

    parameters = packing.pack_parameters(layer.sums.biases, layer.scales)
    scratch = {} if layer.relaxed else {"x": 2 * rows_at_once * length}
    return layer.step("qproduct", emit, packed, parameters, scratch, form)


def convolution(layer: Layer, batch: int, image: Image) -> Step:
    """A convolution: every image is widened with its padding; then position by position."""
    count, length = image.runs
    group = image.columns // image.groups
    by_run = layer.weights.transpose(0, 2, 3, 1).reshape(image.groups, group, count, length)
    form = layer.form
    packed = [packing.pack_groups(part, form) for part in by_run]
    bounds = [slice(at, at + group) for at in range(0, image.columns, group)]
    parameters = [packing.pack_parameters(layer.sums.biases[part], layer.scales[part]) for part in bounds]

    def emit(e: StepEmitter) -> None:
        fn, padder = e.fn, _padder(e, layer, image, form)
        key = f"qconv/{form.name}/{image.key}/{layer.stored_key}"
        kernel = e.shared(key, lambda m: conv.build_convolution(m, key, image, layer.stored, form))
        with fn.counted(batch, name="image") as index:
            out = fn.new(index * (image.out_height * image.out_width * image.columns), "out")
            source = index * (image.height * image.width * image.channels) + e.at(layer.reads[0])
            fn.do(fn.call(padder, source, e.scratch("x")))
            with fn.counted(image.groups, name="group") as number:
                fn.do(fn.call(
                    kernel, number * (form.itemsize * image.channels // image.groups) + e.scratch("x"),
                    (out + number * group) * layer.itemsize + e.at(layer.node.output),
                    number * (form.itemsize * packed[0].size) + layer.weights_at(e),
                    number * parameters[0].nbytes + e.constant("p"),
                ))  # fmt: skip
            _add_residual(e, layer, out, image.out_height * image.out_width * image.columns)

    scratch = {"x": image.scratch_bytes(form)}
    return layer.step("qconv2d", emit, np.concatenate(packed), np.concatenate(parameters), scratch, form)


def winograd(layer: Layer, batch: int, image: Image) -> Step:
    """A 3x3 convolution by exact integer Winograd transforms."""
    stored, plan = layer.stored, tiles.tiling(image)
    if stored is None:
        raise refuse(layer.node, "expected 8-bit results")
    packed = tiles.pack_kernels(layer.weights)

    def emit(e: StepEmitter) -> None:
        fn, padder = e.fn, _padder(e, layer, plan.grid, WORDS)
        size = image.out_height * image.out_width * image.columns
        with fn.counted(batch, name="image") as index:
            out = fn.new(index * size, "out")
            source = index * (image.height * image.width * image.channels) + e.at(layer.reads[0])
            fn.do(fn.call(padder, source, e.scratch("x")))
            _winograd_blocks(e, layer, plan, stored, out)
            _add_residual(e, layer, out, size)

    def init(e: StepEmitter) -> None:
        kernel = e.shared("qwinograd/weights", lambda module: transforms.build_weights(module, "qwinograd/weights"))
        count = packed.size // tiles.TAPS
        e.fn.do(e.fn.call(kernel, e.constant("w"), e.expanded("w"), count, plan.weight_plane))

    scratch = {"x": plan.grid.scratch_bytes(WORDS), "lines": plan.lines_bytes}
    scratch |= {"v": tiles.PLANES * plan.input_plane, "m": tiles.PLANES * plan.sum_plane}
    return Step(
        name=layer.node.name, op="qconv2d_winograd", reads=layer.reads, writes=(layer.node.output,), emit=emit,
        init=init, constants={"w": packed, "p": tiles.pack_parameters(layer.sums, layer.scales)},
        expanded={"w": tiles.PLANES * plan.weight_plane}, scratch=scratch, flops=layer.flops,
    )  # fmt: skip


def _winograd_blocks(e: StepEmitter, layer: Layer, plan: Tiling, stored: Stored, out: Local) -> None:
    """All blocks of tiles of one image, whose first output element is ``out``."""
    fn, key = e.fn, plan.grid.key
    inputs = e.shared(f"qwinograd/in/{key}", lambda m: transforms.build_inputs(m, f"qwinograd/in/{key}", plan))
    products = e.shared(f"qwinograd/{key}", lambda m: tiles.build_products(m, f"qwinograd/{key}", plan))
    last = f"qwinograd/out/{key}/{stored.key}"
    outputs = e.shared(last, lambda m: transforms.build_outputs(m, last, plan, stored))
    image = plan.grid
    with fn.counted(plan.down, step=plan.rows, name="row") as first:
        with fn.counted(plan.rows, name="line") as line:
            x = (first + line) * (tiles.TILE * plan.line_bytes) + e.scratch("x")
            v = line * (2 * plan.across * image.channels) + e.scratch("v")
            fn.do(fn.call(inputs, x, e.scratch("lines"), v))
        fn.do(fn.call(products, e.scratch("v"), e.scratch("m"), e.expanded("w")))
        with fn.counted(plan.rows, name="line") as line:
            row = fn.new(first + line, "row")
            y = row * (tiles.TILE * image.out_width * image.columns) + out + e.at(layer.node.output)
            m = line * (4 * plan.across * plan.columns) + e.scratch("m")
            fn.do(fn.call(outputs, m, y, e.constant("p"), row))


def depthwise(layer: Layer, batch: int, image: Image) -> Step:
    """One output per channel: no widening, taps are interleaved in registers."""
    stored = layer.stored
    if stored is None:
        raise refuse(layer.node, "expected 8-bit results")
    slide = sliding.slides(image)
    packed = (sliding if slide else taps).pack_taps(layer.weights.reshape(len(layer.weights), -1))
    build = sliding.build_sliding if slide else taps.build_depthwise
    line_bytes = image.width * image.channels

    def emit(e: StepEmitter) -> None:
        fn, zero = e.fn, layer.x.zero_point
        key = f"qdepthwise/{image.key}/{zero}/{layer.signed}/{stored.key}"
        kernel = e.shared(key, lambda m: build(m, key, image, zero, signed=layer.signed, stored=stored))
        taps.emit_outside(fn, e.scratch("outside"), line_bytes, zero)
        size = image.out_height * image.out_width * image.columns
        with fn.counted(batch, name="image") as index:
            source = index * (image.height * image.width * image.channels) + e.at(layer.reads[0])
            out = fn.new(index * size, "out")
            target = out + e.at(layer.node.output)
            fn.do(fn.call(kernel, source, target, e.expanded("w"), e.constant("p"), e.scratch("outside")))
            _add_residual(e, layer, out, size)

    parameters = taps.pack_parameters(layer.sums.biases, layer.scales)
    return layer.step("qconv2d_depthwise", emit, packed, parameters, {"outside": line_bytes})


def _add_residual(e: StepEmitter, layer: Layer, start: Operand, count: int) -> None:
    """The sum in place over ``count`` elements; what lies behind them is computed later, or slack."""
    what = layer.residual
    if what is None:
        return
    key = f"qadd/{what.addition.key}/{what.signed[0]}/{what.signed[1]}/{what.stored.key}"
    kernel = e.shared(key, lambda m: binary.build_addition(m, key, what.addition, what.signed, what.stored))
    y = e.fn.new(start + e.at(layer.node.output), "y")
    e.fn.do(e.fn.call(kernel, y, start + e.at(what.other), y, -(-count // binary.TURN)))


def _widener(e: StepEmitter, *, signed: bool) -> Function:
    key = f"qwiden/{'s' if signed else 'u'}"
    return e.shared(key, lambda module: conv.build_widen(module, key, signed=signed))


def _padder(e: StepEmitter, layer: Layer, image: Image, form: Format) -> Function:
    key = f"qpad/{form.name}/{image.key}/{layer.x.zero_point}/{layer.signed}"
    return e.shared(key, lambda module: conv.build_pad(module, key, image, layer.x, form))
