"""Pass 6, quantize: the float graph in QDQ form, once per activation scheme that the profiles ask for.

Requires: a fused graph and, for schemes with activations, what calibration saw of them.
Ensures:
    1. every scheme asked for has a graph with DequantizeLinear of ai.onnx and the same interface;
    2. Softmax and other probability heads stay in float, but for devices that have none;
    3. with a scheme of 7 bits every stored activation is at most 127, whatever the input: a ``Clip`` says so.

The rules are in ``compiler/quantization``.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.attempts import attempt, refuse, remaining
from compiler.compilation import Compilation, Refusal
from compiler.passes.ensures import ensure
from compiler.progress import Progress
from compiler.quantization.observed import nothing_observed
from compiler.quantization.quantize import quantize
from compiler.quantized import Quantized
from compiler.scheme import Scheme, scheme_of
from hardware_profiles.schema import Profile

NAME = "quantize"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Quantize for every scheme in use.

    Raises:
        CompileError: the quantizer cannot handle the graph, or nothing in it can be quantized.

    """
    by_scheme: dict[Scheme, list[Profile]] = {}
    for profile in remaining(state):
        if profile.precision.quantized:
            by_scheme.setdefault(scheme_of(profile), []).append(profile)
    if not by_scheme:
        return state
    observed = state.observed or nothing_observed(state.current.digest)
    progress.start(NAME, len(by_scheme))
    quantized: dict[Scheme, Quantized] = {}
    refusals: list[Refusal] = []
    for scheme, profiles in by_scheme.items():
        made = attempt(state, profiles[0], NAME, lambda scheme=scheme: quantize(state.current, observed, scheme))  # type: ignore[misc]
        if isinstance(made, Refusal):
            refusals += [replace(made, profile=profile) for profile in profiles]
        else:
            quantized[scheme] = made
        progress.advance()
    progress.done()
    return refuse(replace(state, quantized=quantized), refusals)


def check(state: Compilation) -> None:
    """Rules 1 and 2."""
    for graph in (one.graph for one in state.quantized.values()):
        ensure(graph.quantized, stage=NAME, promise="the graph is in QDQ form")
        ensure(
            (graph.inputs, graph.outputs) == (state.current.inputs, state.current.outputs),
            stage=NAME,
            promise="same interface",
        )
