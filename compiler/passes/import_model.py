"""Pass 1, import: bytes become a checked graph whose tensors are the contract's.

Requires: the model's bytes and a parsed contract.
Ensures:
    1. the graph passes the ONNX checker and the importer's limits (opset, domains, no external data);
    2. open dimensions that the contract fixes are bound;
    3. no weight is NaN;
    4. names, order-free, dtypes and shapes of inputs and outputs equal the contract's; only the batch stays open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.compilation import Compilation
from compiler.graph import Graph
from compiler.importer import onnx_rewrite, summary
from compiler.importer.read_graph import read_graph
from compiler.importer.weights import check_weights
from compiler.passes.ensures import ensure
from compiler.progress import Progress
from edge_bundle.contract import Contract, TensorRule
from edge_bundle.errors import CompileError, InvalidInputError
from edge_bundle.tensor import DYNAMIC, TensorSpec

NAME = "import"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Check the model, bind its dimensions, and compare it with the contract.

    Raises:
        CompileError: the model is broken or not supported.
        InvalidInputError: model and contract disagree.

    """
    progress.start(NAME, 1)
    request, sources = state.request, state.sources
    graph = import_graph(sources.model, sources.contract, request.dims, file=str(request.contract_path))
    check_weights(graph.model, stage=NAME)
    progress.advance()
    progress.done()
    return replace(state, graph=graph, reference_graph=graph)


def import_graph(model: bytes, contract: Contract, dims: Mapping[str, int] | None = None, *, file: str) -> Graph:
    """The checked graph of a model file, bound to its contract and ``dims``; ``file`` names the contract in errors.

    Raises:
        CompileError: the model is broken or not supported.
        InvalidInputError: model and contract disagree.

    """
    found = summary.summarise(model, stage=NAME)
    _match("inputs", contract.inputs, found.inputs, file, bound=False)
    shapes = {rule.name: rule.shape for rule in contract.inputs}
    bound = onnx_rewrite.bind_dimensions(found.model, shapes, dims, stage=NAME)
    graph = summary.summarise(onnx_rewrite.canonicalise(bound, stage=NAME), stage=NAME)
    _match("inputs", contract.inputs, graph.inputs, file, bound=True)
    graph = _with_computed_outputs(graph, contract)
    _match("outputs", contract.outputs, graph.outputs, file, bound=True)
    return graph


def _with_computed_outputs(graph: Graph, contract: Contract) -> Graph:
    """Output dimensions that ONNX's own inference leaves open, but that follow from constants inside the model."""
    rules = {rule.name: rule.shape for rule in contract.outputs}
    missing = [spec for spec in graph.outputs if _open(spec.shape) - _open(rules.get(spec.name, spec.shape))]
    if not missing or any(_open(spec.shape) - {0} for spec in graph.inputs):
        return graph
    try:
        types = read_graph(graph.model, batch=1, dims={}, bind=_constants(contract), stage=NAME).types
    except CompileError:  # a size that depends on data stays open; the comparison with the contract names it
        return graph
    shapes = {
        spec.name: tuple(
            DYNAMIC if want == DYNAMIC else size
            for want, size in zip(rules[spec.name], types[spec.name].shape, strict=True)
        )
        for spec in missing
        if len(rules[spec.name]) == types[spec.name].rank
    }
    return summary.summarise(onnx_rewrite.fix_outputs(graph.model, shapes, stage=NAME), stage=NAME)


def _constants(contract: Contract) -> dict[str, NDArray[Any]]:
    """Inputs that the contract lets have one value only: a rate of samples, say, which decides between branches."""
    return {
        rule.name: np.full(rule.shape, rule.minimum, rule.dtype.numpy_name)
        for rule in contract.inputs
        if rule.minimum is not None and rule.minimum == rule.maximum and DYNAMIC not in rule.shape
    }


def _open(shape: tuple[int, ...]) -> set[int]:
    return {index for index, size in enumerate(shape) if size == DYNAMIC}


def check(state: Compilation) -> None:
    """Rule 4; rules 1 to 3 hold because the pipeline checks every graph, and ``run`` the weights."""
    contract = state.sources.contract
    ensure(
        _names(state.current) == {rule.name for rule in (*contract.inputs, *contract.outputs)},
        stage=NAME,
        promise="the graph's tensors are the contract's",
    )


def _names(graph: Graph) -> set[str]:
    return {spec.name for spec in (*graph.inputs, *graph.outputs)}


def _match(kind: str, rules: Sequence[TensorRule], specs: Sequence[TensorSpec], file: str, *, bound: bool) -> None:
    model = {spec.name: spec for spec in specs}
    wanted = {rule.name for rule in rules}
    if wanted != set(model):
        raise InvalidInputError(
            file=file,
            key=kind,
            expected=f"the model's {kind} {_list(set(model))}",
            got=f"{_list(wanted)}",
            advice=f"name every one of the model's {kind} in the contract, and no other",
        )
    for rule in rules:
        _match_one(kind, rule, model[rule.name], file, bound=bound)


def _match_one(kind: str, rule: TensorRule, spec: TensorSpec, file: str, *, bound: bool) -> None:
    if rule.dtype is spec.dtype and _fits(rule.shape, spec.shape, bound=bound):
        return
    open_dims = [index for index, size in enumerate(spec.shape) if size == DYNAMIC and index > 0]
    advice = "write the contract's tensor as the model has it"
    if bound and open_dims:
        advice = f"dimension {open_dims[0]} is dynamic and nothing binds it: export the model with a fixed size there"
    raise InvalidInputError(
        file=file,
        key=f"{kind}.{rule.name}",
        expected=f"{_describe(spec)}, as in the model",
        got=_describe(rule.spec),
        advice=advice,
    )


def _fits(rule: tuple[int, ...], model: tuple[int, ...], *, bound: bool) -> bool:
    """Equal; before binding, a dimension that the model leaves open fits any size."""
    if len(rule) != len(model):
        return False
    return all(want == got or (got == DYNAMIC and not bound) for want, got in zip(rule, model, strict=True))


def _describe(spec: TensorSpec) -> str:
    return f"{spec.dtype.value} {list(spec.shape)}"


def _list(names: set[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"
