"""Sums of products over named dimensions: MatMul, Gemm, Einsum. The form for any shape; tuned ones are elsewhere."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.ir.graph import Node
from compiler.wasm.kernels.contract import Contraction, Factor, Finish, as_it_is, contract
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.prepared import Prepared, init_of
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

NUMBERS = frozenset({DType.FP32, DType.INT32, DType.INT64, DType.UINT32, DType.UINT64})
"""What ONNX multiplies and adds without widening."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """A value whose axes are named by letters: an operand, or the output."""

    value: str
    letters: str
    layout: Layout
    prepared: Prepared | None = None

    def factor(self, out: StepEmitter, outer: str, inner: str) -> Factor:
        """As a contraction over ``inner`` letters reads it; writes the code that prepares it."""
        ready = self.prepared
        return Factor(
            address=ready.address(out) if ready else out.at(self.value) + self.layout.start,
            dtype=ready.dtype if ready else out.type_of(self.value).dtype,
            steps=self.steps(outer),
            sums=self.steps(inner),
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """Values that it needs."""
        return self.prepared.reads if self.prepared else (self.value,)

    def steps(self, letters: str) -> tuple[int, ...]:
        """Bytes to go on per letter; a letter on several axes walks the diagonal, a missing or broadcast one stays."""
        return tuple(
            sum(
                stride
                for own, size, stride in zip(self.letters, self.layout.shape, self.layout.strides, strict=True)
                if own == letter and size > 1
            )
            for letter in letters
        )


def sum_of_products(
    node: Node, output: Term, operands: Sequence[Term], op: str, *,
    extras: Sequence[Term] = (), accumulate: DType, finish: Finish = as_it_is,
) -> Step:  # fmt: skip
    """``output[..] = finish(sum over the letters that only operands have of their product)``.

    ``finish`` sees the elements of ``extras``.
    """
    sizes = _sizes(node, [output, *operands])
    inner = "".join(letter for letter in sizes if letter not in output.letters)

    def emit(out: StepEmitter) -> None:
        contract(
            out.fn,
            Contraction(
                shape=output.layout.shape,
                reduced=tuple(sizes[letter] for letter in inner),
                target=output.factor(out, output.letters, ""),
                factors=tuple(term.factor(out, output.letters, inner) for term in operands),
                extras=tuple(term.factor(out, output.letters, "") for term in extras),
                accumulate=accumulate,
                finish=finish,
            ),
        )

    reads = [name for term in (*operands, *extras) for name in term.reads]
    ready = [term.prepared for term in operands if term.prepared]
    return Step(
        name=node.name,
        op=op,
        reads=tuple(dict.fromkeys(reads)),
        writes=(output.value,),
        emit=emit,
        init=init_of(ready),
        expanded={key: nbytes for part in ready for key, nbytes in part.expanded.items()},
        scratch={key: nbytes for part in ready for key, nbytes in part.scratch.items()},
        flops=2 * output.layout.size * math.prod(sizes[letter] for letter in inner),
    )


def _sizes(node: Node, terms: Sequence[Term]) -> Mapping[str, int]:
    sizes: dict[str, int] = {}
    for term in terms:
        for letter, size in zip(term.letters, term.layout.shape, strict=True):
            known = sizes.setdefault(letter, size)
            if 1 not in (known, size) and known != size:
                raise refuse(node, f"expected one size for dimension {letter!r}, got {known} and {size}")
            sizes[letter] = max(known, size) if 0 not in (known, size) else 0
    return sizes


def matmul_letters(left: int, right: int) -> tuple[str, str, str]:
    """Letters of a matrix product of tensors of these ranks (numpy's ``matmul``): a, b, output."""
    batch = string.ascii_lowercase[: max(left, right, 2) - 2]
    a = "K" if left == 1 else f"{batch}MK"[-left:]
    b = "K" if right == 1 else f"{batch}KN"[-right:]
    return a, b, batch + "M" * (left > 1) + "N" * (right > 1)


def matmul(node: Node, scope: Scope) -> Step:
    """``MatMul`` of any shapes."""
    values = (node.input(0), node.input(1), node.output)
    letters = matmul_letters(scope.type_of(values[0]).rank, scope.type_of(values[1]).rank)
    a, b, y = (
        Term(value=name, letters=own, layout=layout(scope, name)) for name, own in zip(values, letters, strict=True)
    )
    return sum_of_products(node, y, [a, b], "matmul", accumulate=scope.type_of(node.output).dtype)


def _gemm(node: Node, scope: Scope) -> Step:
    a, b, y = (layout(scope, name) for name in (node.input(0), node.input(1), node.output))
    operands = [
        Term(value=node.input(0), letters="KM" if node.attrs.get("transA", 0) else "MK", layout=a),
        Term(value=node.input(1), letters="NK" if node.attrs.get("transB", 0) else "KN", layout=b),
    ]
    alpha, beta = float(node.attrs.get("alpha", 1.0)), float(node.attrs.get("beta", 1.0))
    if not scope.type_of(node.output).dtype.is_float and not (alpha.is_integer() and beta.is_integer()):
        raise refuse(node, f"expected whole alpha and beta for integers, got {alpha} and {beta}")
    extras = []
    if node.input(2) and beta != 0.0:
        addend = layout(scope, node.input(2)).broadcast(y.shape)
        extras.append(Term(value=node.input(2), letters="MN", layout=addend))

    def finish(_: Function, lanes: Lanes, total: Local, extras: Sequence[Local]) -> Expr:
        result: Expr = total if alpha == 1.0 else lanes.mul(total, lanes.const(alpha))
        if extras:
            addend = extras[0] if beta == 1.0 else lanes.mul(extras[0], lanes.const(beta))
            result = lanes.add(result, addend)
        return result

    output = Term(value=node.output, letters="MN", layout=y)
    accumulate = scope.type_of(node.output).dtype
    return sum_of_products(node, output, operands, "gemm", extras=extras, accumulate=accumulate, finish=finish)


def _einsum(node: Node, scope: Scope) -> Step:
    equation = str(node.attrs["equation"]).replace(" ", "")
    left, arrow, right = equation.partition("->")
    parts = left.split(",")
    if len(parts) != len(node.inputs):
        raise refuse(node, f"expected {len(node.inputs)} terms in {equation!r}, got {len(parts)}")
    shapes = [scope.type_of(name).shape for name in node.inputs]
    spare = [letter for letter in string.ascii_letters if letter not in equation]
    widest = max(
        (len(shape) - len(part) + 3 for part, shape in zip(parts, shapes, strict=True) if "..." in part), default=0
    )
    dots = "".join(spare[:widest])
    letters = [
        part.replace("...", dots[widest - (len(shape) - len(part) + 3) :] if "..." in part else "")
        for part, shape in zip(parts, shapes, strict=True)
    ]
    if not arrow:
        plain = left.replace(",", "").replace("...", "")
        right = "..." * ("..." in left) + "".join(sorted(one for one in set(plain) if plain.count(one) == 1))
    output = Term(value=node.output, letters=right.replace("...", dots), layout=layout(scope, node.output))
    operands = [
        Term(value=name, letters=own, layout=layout(scope, name))
        for name, own in zip(node.inputs, letters, strict=True)
    ]
    return sum_of_products(node, output, operands, "einsum", accumulate=scope.type_of(node.output).dtype)


RULES: Rules = {
    "Einsum": Rule(lower=_einsum, dtypes=NUMBERS),
    "Gemm": Rule(lower=_gemm, dtypes=NUMBERS),
}
