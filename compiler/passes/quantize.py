"""Pass 6, quantize: the float graph in QDQ form, once per activation scheme that the profiles ask for.

Requires: a fused graph and, for schemes with activations, what calibration saw of them.
Ensures:
    1. every scheme asked for has a graph with DequantizeLinear of ai.onnx and the same interface;
    2. Softmax and other probability heads stay in float, but for devices that have none;
    3. with a scheme of 7 bits every stored activation is at most 127, whatever the input: a ``Clip`` says so;
    4. under ONNX Runtime every graph keeps the contract's accuracy; layers that were put back for it have a reason.

The rules are in ``compiler/quantization`` and ``compiler/accuracy_control``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from compiler.accuracy_control.control import control
from compiler.accuracy_control.task import Task
from compiler.attempts import attempt, refuse, remaining
from compiler.compilation import Compilation, Refusal, need
from compiler.passes.ensures import ensure
from compiler.progress import Progress, shared_by
from compiler.promises import check_reference
from compiler.quantization.observed import Observed, nothing_observed
from compiler.quantization.quantize import Quantizer
from compiler.quantized import Quantized
from compiler.reference import reference_of
from compiler.scheme import Scheme, scheme_of
from hardware_profiles.schema import Profile

NAME = "quantize"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Quantize for every scheme in use, and put layers back where the contract asks for it.

    Raises:
        CompileError: the quantizer cannot handle the graph, or nothing in it can be quantized.
        ContractNotMetError: no mix of precisions keeps the contract's accuracy.

    """
    by_scheme: dict[Scheme, list[Profile]] = {}
    for profile in remaining(state):
        if profile.precision.quantized:
            by_scheme.setdefault(scheme_of(profile), []).append(profile)
    if not by_scheme:
        return state
    observed = state.observed or nothing_observed(state.current.digest)
    state = replace(state, reference=reference_of(state, progress))
    quantizers: dict[Scheme, Quantizer] = {}
    quantized: dict[Scheme, Quantized] = {}
    refusals: list[Refusal] = []
    for scheme, profiles in by_scheme.items():
        made = attempt(state, profiles[0], NAME, partial(_quantize, state, observed, scheme, profiles, progress))
        if isinstance(made, Refusal):
            refusals += [replace(made, profile=profile) for profile in profiles]
        else:
            quantizers[scheme], quantized[scheme] = made
    return refuse(replace(state, quantized=quantized, quantizers=quantizers), refusals)


def _quantize(
    state: Compilation, observed: Observed, scheme: Scheme, profiles: Sequence[Profile], progress: Progress
) -> tuple[Quantizer, Quantized]:
    """What makes a scheme's graphs, and the one that holds. What float misses already is told before any search."""
    names = tuple(dict.fromkeys(profile.name for profile in profiles))
    candidates = [f"{one.name} as {one.runtime}" for one in profiles] if state.request.race else names
    contract, reference = state.sources.contract, need(state.reference, "fp32 reference")
    check_reference(contract, ", ".join(names), reference.accuracy)
    quantizer = Quantizer(state.current, observed, scheme, progress, f"{NAME} {shared_by(candidates)}")
    task = Task(
        graph=state.current,
        scheme=scheme,
        rows=observed.rows,
        contract=contract,
        reference=reference,
        profiles=names,
    )
    return quantizer, replace(control(quantizer, quantizer.quantize({}), task, progress), profiles=names)


def check(state: Compilation) -> None:
    """Rules 1 and 2; rule 4 raises where it is measured."""
    for graph in (one.graph for one in state.quantized.values()):
        ensure(graph.quantized, stage=NAME, promise="the graph is in QDQ form")
        ensure(
            (graph.inputs, graph.outputs) == (state.current.inputs, state.current.outputs),
            stage=NAME,
            promise="same interface",
        )
