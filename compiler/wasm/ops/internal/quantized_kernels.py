"""Steps of integer layers, one for each kernel: what it needs in memory, and the calls of its functions."""

from __future__ import annotations

import numpy as np

from compiler.wasm.kernels.int8 import conv, packing, sliding, transforms, widen
from compiler.wasm.kernels.int8 import depthwise as taps
from compiler.wasm.kernels.int8 import winograd as tiles
from compiler.wasm.kernels.int8.image import Image
from compiler.wasm.kernels.int8.packing import WORDS
from compiler.wasm.kernels.int8.requantize import Stored
from compiler.wasm.kernels.int8.winograd import Tiling
from compiler.wasm.ops.internal.quantized_layer import Layer, add_residual, padder, widener
from compiler.wasm.ops.rule import refuse
from compiler.wasm.step import Step, StepEmitter
from wasm_emit.function import Local
from wasm_emit.types import Operand, as_i32

WIDENED_BYTES = 1 << 15
"""Rows are widened in blocks of at most so many bytes: half of a first-level cache."""


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
                widen.call_widen(fn, widener(e, signed=layer.signed), x, e.scratch("x"), count * length)
                x = as_i32(e.scratch("x"))
            out = start * columns
            y = out * layer.itemsize + target
            fn.do(fn.call(kernel, x, y, layer.weights_at(e), e.constant("p"), count))
            add_residual(e, layer, out, count * columns)

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
        fn, pad = e.fn, padder(e, layer, image, form)
        key = f"qconv/{form.name}/{image.key}/{layer.stored_key}"
        kernel = e.shared(key, lambda m: conv.build_convolution(m, key, image, layer.stored, form))
        with fn.counted(batch, name="image") as index:
            out = fn.new(index * (image.out_height * image.out_width * image.columns), "out")
            source = index * (image.height * image.width * image.channels) + e.at(layer.reads[0])
            fn.do(fn.call(pad, source, e.scratch("x")))
            with fn.counted(image.groups, name="group") as number:
                fn.do(fn.call(
                    kernel, number * (form.itemsize * image.channels // image.groups) + e.scratch("x"),
                    (out + number * group) * layer.itemsize + e.at(layer.node.output),
                    number * (form.itemsize * packed[0].size) + layer.weights_at(e),
                    number * parameters[0].nbytes + e.constant("p"),
                ))  # fmt: skip
            add_residual(e, layer, out, image.out_height * image.out_width * image.columns)

    scratch = {"x": image.scratch_bytes(form)}
    return layer.step("qconv2d", emit, np.concatenate(packed), np.concatenate(parameters), scratch, form)


def winograd(layer: Layer, batch: int, image: Image) -> Step:
    """A 3x3 convolution by exact integer Winograd transforms."""
    stored, plan = layer.stored, tiles.tiling(image)
    if stored is None:
        raise refuse(layer.node, "expected 8-bit results")
    packed = tiles.pack_kernels(layer.weights)

    def emit(e: StepEmitter) -> None:
        fn, pad = e.fn, padder(e, layer, plan.grid, WORDS)
        size = image.out_height * image.out_width * image.columns
        with fn.counted(batch, name="image") as index:
            out = fn.new(index * size, "out")
            source = index * (image.height * image.width * image.channels) + e.at(layer.reads[0])
            fn.do(fn.call(pad, source, e.scratch("x")))
            _winograd_blocks(e, layer, plan, stored, out)
            add_residual(e, layer, out, size)

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
            add_residual(e, layer, out, size)

    parameters = taps.pack_parameters(layer.sums.biases, layer.scales)
    return layer.step("qconv2d_depthwise", emit, packed, parameters, {"outside": line_bytes})
