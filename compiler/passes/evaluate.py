"""Pass 8, evaluate: every variant runs the evaluation set on its own engine, and keeps the contract's accuracy there.

Requires: lowered variants whose runtimes are installed here; an evaluation set that suits the metric.
Ensures:
    1. one ``Evaluated`` per profile that is not refused; its accuracy keeps the contract;
    2. a quantized variant that misses it, since its device computes in another way than ONNX Runtime, has had layers
       put back: accuracy control ran again for that profile, with its own target and engine as the judge. It has a
       graph of its own then, which says so; the other profiles of the scheme keep theirs;
    3. such a graph has the form and the interface that the quantize pass promises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from compiler import lowering
from compiler.accuracy_control.control import control_on_device
from compiler.accuracy_control.sensitivity import ranked
from compiler.accuracy_control.task import Task, fallback_of
from compiler.attempts import attempt, refuse, remaining
from compiler.compilation import Compilation, Evaluated, Reference, Refusal, need
from compiler.evaluation import evaluate
from compiler.passes.ensures import ensure
from compiler.progress import Progress, candidate
from compiler.promises import check_accuracy, shortfall
from compiler.quantized import Quantized
from compiler.reference import reference_of
from compiler.scheme import Scheme
from compiler.targets.target import Lowered
from edge_bundle.errors import SkerryError
from edge_bundle.proof import AccuracyProof

NAME = "evaluate"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Evaluate every variant, and put layers back where its own arithmetic asks for it.

    Raises:
        ContractNotMetError: names the profile, the rule, by how much it is missed, and the best mix that was found.
        EngineError: a runtime fails on a sample.

    """
    state = replace(state, reference=reference_of(state, progress))
    control = _Control(state, progress)
    made = [attempt(state, one.profile, NAME, partial(control.hold, one)) for one in state.lowered]
    state = refuse(state, [one for one in made if isinstance(one, Refusal)])
    evaluated = tuple(one for one in made if isinstance(one, Evaluated))
    return replace(state, evaluated=evaluated, lowered=tuple(one.lowered for one in evaluated))


def check(state: Compilation) -> None:
    """All three rules."""
    profiles = tuple(one.lowered.profile for one in state.evaluated)
    ensure(profiles == remaining(state), stage=NAME, promise="one evaluation per variant")
    contract, reference = state.sources.contract, need(state.reference, "fp32 reference")
    for one in state.evaluated:
        kept = shortfall(contract, one.accuracy, reference.accuracy) <= 0.0
        ensure(kept, stage=NAME, promise="the contract's accuracy")
        made = one.lowered.quantized
        if made is not None and made.judge:
            same = (made.graph.inputs, made.graph.outputs) == (state.current.inputs, state.current.outputs)
            ensure(made.graph.quantized and same, stage=NAME, promise="QDQ form and the same interface")


class _Control:
    """Evaluates variants; what is measured of a scheme's layers serves all its profiles."""

    def __init__(self, state: Compilation, progress: Progress) -> None:
        self._state, self._progress = state, progress
        self._contract = state.sources.contract
        self._reference: Reference = need(state.reference, "fp32 reference")
        self._ranked: dict[Scheme, Quantized] = {}

    def hold(self, variant: Lowered) -> Evaluated:
        """The variant, or one with more layers kept; raises what refuses the profile."""
        name = candidate(variant.profile, race=self._state.request.race)
        self._progress.start(f"{NAME} {name}", self._reference.judge.dataset.samples)
        found = self._evaluate(variant, self._progress.advance)
        self._progress.done()
        if shortfall(self._contract, found.accuracy, self._reference.accuracy) <= 0.0:
            return found
        if variant.quantized is None:
            check_accuracy(self._contract, variant.profile.name, found.accuracy, self._reference.accuracy)
        else:
            found = self._put_back(variant, variant.quantized, found.accuracy)
        return found

    def _evaluate(self, variant: Lowered, on_sample: Callable[[], None] = lambda: None) -> Evaluated:
        return evaluate(variant, self._contract, self._reference, on_sample=on_sample)

    def _put_back(self, variant: Lowered, quantized: Quantized, accuracy: AccuracyProof) -> Evaluated:
        """Rule 2. The evaluation of the mix that is chosen comes from its trial."""
        tried: dict[bytes, Evaluated] = {}

        def run(mix: Quantized) -> AccuracyProof | None:
            try:
                found = self._evaluate(lowering.lower(self._state, variant.profile, mix))
            except SkerryError:  # the device's tools do not take every mix, or its runtime does not run it
                return None
            tried[mix.graph.model] = found
            return found.accuracy

        task = self._task(variant)
        first = self._rank(quantized, task)
        quantizer = self._state.quantizers[quantized.scheme]
        made = control_on_device(quantizer, first, accuracy, task, run, self._progress)
        found = tried[made.graph.model]
        return replace(found, lowered=replace(found.lowered, quantized=made))

    def _rank(self, quantized: Quantized, task: Task) -> Quantized:
        precision = fallback_of(quantized.scheme)
        if precision is None:
            return quantized
        if quantized.scheme not in self._ranked:
            quantizer = self._state.quantizers[quantized.scheme]
            self._ranked[quantized.scheme] = ranked(quantizer, quantized, precision, task, self._progress)
        return self._ranked[quantized.scheme]

    def _task(self, variant: Lowered) -> Task:
        state, profile = self._state, variant.profile
        return Task(
            graph=state.current,
            scheme=need(variant.quantized, "quantized graph").scheme,
            rows=state.observed.rows if state.observed else (),
            contract=self._contract,
            reference=self._reference,
            profiles=(profile.name,),
            judge=f"{profile.name} ({profile.runtime}, {variant.execution.value})",
        )
