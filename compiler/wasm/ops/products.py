"""Sums of products over named dimensions: MatMul, Gemm, Einsum. The form for any shape; tuned ones are elsewhere."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.ir.graph import Node
from compiler.wasm.kernels.contract import Contraction, Factor, Finish, as_it_is, contract
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.lanes import Lanes
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

NUMBERS = frozenset({DType.FP32, DType.FP64, DType.INT32, DType.INT64, DType.UINT32, DType.UINT64})
"""What ONNX multiplies and adds without widening."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """A value whose axes are named by letters: an operand, or the output."""

    value: str
    letters: str
    layout: Layout

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
    extra: Term | None = None, finish: Finish = as_it_is,
) -> Step:  # fmt: skip
    """``output[..] = finish(sum over the letters that only operands have of their product)``.

    ``finish`` sees the element of ``extra``.
    """
    sizes = _sizes(node, [output, *operands])
    inner = "".join(letter for letter in sizes if letter not in output.letters)
    terms = [output, *operands, *([extra] if extra else [])]

    def factor(out: StepEmitter, term: Term) -> Factor:
        return Factor(
            address=out.at(term.value) + term.layout.start,
            dtype=out.type_of(term.value).dtype,
            steps=term.steps(output.letters),
            sums=term.steps(inner),
        )

    def emit(out: StepEmitter) -> None:
        made = [factor(out, term) for term in terms]
        contract(
            out.fn,
            Contraction(
                shape=output.layout.shape,
                reduced=tuple(sizes[letter] for letter in inner),
                target=made[0],
                factors=tuple(made[1 : len(operands) + 1]),
                extras=tuple(made[len(operands) + 1 :]),
                accumulate=made[0].dtype,
                finish=finish,
            ),
        )

    return Step(
        name=node.name,
        op=op,
        reads=tuple(dict.fromkeys(term.value for term in terms[1:])),
        writes=(output.value,),
        emit=emit,
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


def matmul_terms(scope: Scope, a: str, b: str, y: str) -> tuple[Term, Term, Term]:
    """The three values of a matrix product (numpy's ``matmul``, any rank): a, b, output."""
    left, right, out = layout(scope, a), layout(scope, b), layout(scope, y)
    rank = max(len(left.shape), len(right.shape), 2)
    batch = string.ascii_lowercase[: rank - 2]
    names = {"a": f"{batch}MK", "b": f"{batch}KN", "y": f"{batch}MN"}
    first = "K" if len(left.shape) == 1 else names["a"][-len(left.shape) :]
    second = "K" if len(right.shape) == 1 else names["b"][-len(right.shape) :]
    result = names["y"]
    if len(left.shape) == 1:
        result = result.replace("M", "")
    if len(right.shape) == 1:
        result = result.replace("N", "")
    return (
        Term(value=a, letters=first, layout=left),
        Term(value=b, letters=second, layout=right),
        Term(value=y, letters=result, layout=out),
    )


def _matmul(node: Node, scope: Scope) -> Step:
    left, right, output = matmul_terms(scope, node.input(0), node.input(1), node.output)
    return sum_of_products(node, output, [left, right], "matmul")


def _gemm(node: Node, scope: Scope) -> Step:
    a, b, y = (layout(scope, name) for name in (node.input(0), node.input(1), node.output))
    operands = [
        Term(value=node.input(0), letters="KM" if node.attrs.get("transA", 0) else "MK", layout=a),
        Term(value=node.input(1), letters="NK" if node.attrs.get("transB", 0) else "KN", layout=b),
    ]
    alpha, beta = float(node.attrs.get("alpha", 1.0)), float(node.attrs.get("beta", 1.0))
    if not scope.type_of(node.output).dtype.is_float and not (alpha.is_integer() and beta.is_integer()):
        raise refuse(node, f"expected whole alpha and beta for integers, got {alpha} and {beta}")
    extra = None
    if node.input(2) and beta != 0.0:
        addend = layout(scope, node.input(2)).broadcast(y.shape)
        extra = Term(value=node.input(2), letters="MN", layout=addend)

    def finish(_: Function, lanes: Lanes, total: Local, extras: Sequence[Local]) -> Expr:
        result: Expr = total if alpha == 1.0 else lanes.mul(total, lanes.const(alpha))
        if extras:
            addend = extras[0] if beta == 1.0 else lanes.mul(extras[0], lanes.const(beta))
            result = lanes.add(result, addend)
        return result

    output = Term(value=node.output, letters="MN", layout=y)
    return sum_of_products(node, output, operands, "gemm", extra=extra, finish=finish)


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
    return sum_of_products(node, output, operands, "einsum")


RULES: Rules = {
    "Einsum": Rule(lower=_einsum, dtypes=NUMBERS),
    "Gemm": Rule(lower=_gemm, dtypes=NUMBERS),
    "MatMul": Rule(lower=_matmul, dtypes=NUMBERS),
}
