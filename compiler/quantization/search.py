"""The recipe of a graph under one scheme, every choice by measured error.

Order of choices: the policy that ranges start from; equalised channels; weights rounded for the output's sake; biases;
then single ranges, those first that cost most where they are, as long as the budget of trials lasts. A choice stays
only where the outputs on calibration samples come nearer to the float model's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from compiler.graph import Graph
from compiler.importer import summary
from compiler.importer.qdq_heads import products_for_heads
from compiler.importer.qdq_network import Network
from compiler.importer.qdq_read import read_network
from compiler.importer.qdq_rescale import rescale
from compiler.progress import Progress, Silent
from compiler.quantization.affine import FULL_BITS, affine_of, round_trip
from compiler.quantization.build import Builder
from compiler.quantization.corrections import with_biases, with_rounding
from compiler.quantization.equalise import best_factors, changes
from compiler.quantization.evaluate import STAGE
from compiler.quantization.layers import Layer, layers_of
from compiler.quantization.observe import observe
from compiler.quantization.observed import LOCAL_ROWS, Observed
from compiler.quantization.placement import place, products_to_float
from compiler.quantization.ranges import MIN_MAX, MSE, Rule, candidates, histogram_error
from compiler.quantization.recipe import Range, Recipe
from compiler.quantization.streams import find_streams
from compiler.quantization.trial import Trial, Worth, points
from compiler.scheme import Scheme
from hardware_profiles.schema import Activations

TRIAL_MACS = 1.2e11
"""Multiplications that all trials of a search may take: some 6 s of one core's byte kernels."""

MAX_TRIALS = 128
"""Most trials: small models are decided well before."""

MIN_SEARCH_ROWS = 4
"""Fewest samples that a choice is measured on; with less, ranges are minimum and maximum."""

MIN_GAIN_DB = 0.1
"""Least gain that a choice is kept for; less is chance."""

ANSWER_HEADROOM = 0.125
"""Share of its range by which a stored answer is given more room on either side: a sure answer beyond all that was
seen must not be cut, as that makes it an unsure one. Costs 2 dB of the answer's own rounding."""

LOCAL = "local"
"""The policy that gives every range the method of least error in what reads it."""

WIDE = frozenset({Activations.UINT16, Activations.INT16})

_POLICIES = (MIN_MAX, "percentile 99.999", "percentile 99.99", MSE, LOCAL)

_CORRECTIONS = 4
"""Trials of rounded weights, of biases without and with correction, and of the answers' own."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A graph that computes what the given one does, and its recipe."""

    graph: Graph
    recipe: Recipe


def search(
    graph: Graph, observed: Observed, scheme: Scheme, progress: Progress | None = None, name: str = STAGE
) -> Found:
    """The best that the budget finds, as a stage called ``name`` of ``progress``. Deterministic on one kind of machine.

    Raises:
        CompileError: ONNX Runtime refuses a graph.

    """
    if products_to_float(scheme):
        changed = products_for_heads(graph.model, stage=STAGE)
        if changed != graph.model:
            graph = summary.summarise(changed, stage=STAGE)
            observed = observe(graph, observed.rows, seed=observed.seed, stage=STAGE)
    course = _Course(progress or Silent())
    plain = _Search(graph, observed, scheme, course.step)
    course.begin(name, plain.most_trials)
    found = _found(plain)
    course.end()
    return found


class _Course:
    """A search as one stage: a step for each trial; those that it did without are done at its end."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._left = progress, 0

    def begin(self, name: str, most: int) -> None:
        self._left = most
        self._progress.start(name, most)

    def step(self) -> None:
        if self._left > 1:
            self._left -= 1
            self._progress.advance()

    def end(self) -> None:
        self._progress.advance(self._left)
        self._progress.done()


def _found(plain: _Search) -> Found:
    graph, observed = plain.graph, plain.observed
    if plain.scheme.activations is None or not plain.groups:
        return Found(graph=graph, recipe=Recipe(ranges={}, methods={}))
    if len(observed.rows) < MIN_SEARCH_ROWS:
        return Found(graph=graph, recipe=plain.policy(MIN_MAX))
    best, score = plain.start()
    chosen, notes = plain, [f"Ranges start from {plain.policy_name}, {score.mean:.2f} dB."]
    if (other := _equalised(plain)) is not None:
        rival, its_score = other.start()
        kept = its_score.mean > score.mean + MIN_GAIN_DB
        notes.append(f"Equalisation: {score.mean:.2f} to {its_score.mean:.2f} dB, {_verdict(kept)}.")
        if kept:
            chosen, best, score = other, rival, its_score
    best, score = chosen.refine(best, score, notes)
    return Found(graph=chosen.graph, recipe=replace(best, notes=tuple(notes)))


class _Search:
    """One float graph: candidates of every range, and trials of recipes."""

    def __init__(self, graph: Graph, observed: Observed, scheme: Scheme, on_trial: Callable[[], None]) -> None:
        self.graph, self.observed, self.scheme, self.on_trial = graph, observed, scheme, on_trial
        self.network: Network = read_network(graph.model, stage=STAGE)
        self.layers: Mapping[str, Layer] = layers_of(self.network)
        self.builder = Builder(
            self.network, self.layers, scheme, place(self.network, self.layers, scheme, {})
        )  # fmt: skip
        self.groups = self.builder.placement.members()
        self.rule: Rule = partial(affine_of, activations=scheme.activations or Activations.UINT8, bits=scheme.bits)
        self.policy_name = MIN_MAX
        self._answers = set(points(self.network))
        self._trial: Trial | None = None
        self._candidates: dict[str, Mapping[str, Range]] = {}

    @property
    def trial(self) -> Trial:
        """Made when first used: a graph without samples has none."""
        if self._trial is None:
            self._trial = Trial(self.graph, self.builder, self.observed, self.on_trial)
        return self._trial

    @property
    def most_trials(self) -> int:
        """Of the whole search, about: policies with and without biases, of two graphs; single ranges; corrections."""
        if self.scheme.activations is None:
            return 1
        if self.scheme.activations in WIDE:
            return 2 + _CORRECTIONS
        return 2 * 2 * len(_POLICIES) + self._budget() + _CORRECTIONS

    def candidates(self, group: str) -> Mapping[str, Range]:
        """Ranges that a group may have, by method; its widest member speaks for it."""
        if group not in self._candidates:
            seen = [self.observed.tensors[member] for member in self.groups[group]]
            widest = max(seen, key=lambda one: one.high - one.low)
            low, high = min(one.low for one in seen), max(one.high for one in seen)
            if set(self.groups[group]) & self._answers:
                room = ANSWER_HEADROOM * (high - low)
                self._candidates[group] = {MIN_MAX: (low - room if low < 0.0 else low, high + room)}
            else:
                self._candidates[group] = {**candidates(widest, self.rule), MIN_MAX: (low, high)}
        return self._candidates[group]

    def policy(self, name: str) -> Recipe:
        """One method for all, or each group's own by what reads it."""
        return self.recipe({group: self._local(group) if name == LOCAL else name for group in self.groups})

    def recipe(self, methods: Mapping[str, str]) -> Recipe:
        """Ranges by the methods of groups."""
        ranges: dict[str, Range] = {}
        by_value: dict[str, str] = {}
        for group, members in self.groups.items():
            found = self.candidates(group)
            method = methods[group] if methods[group] in found else MIN_MAX
            ranges |= dict.fromkeys(members, found[method])
            by_value |= dict.fromkeys(members, method)
        whole = {group: self.candidates(group)[MIN_MAX] for group in self.groups}
        return Recipe(ranges=ranges, methods=by_value, whole=whole)

    def start(self) -> tuple[Recipe, Worth]:
        """The best policy, with biases corrected or as they are, by its worse half."""
        if self.scheme.activations in WIDE:
            names: tuple[str, ...] = (MIN_MAX,)
        else:
            names = _POLICIES
        scored = []
        for name in names:
            plain = self.policy(name)
            both = (plain, with_biases(self.builder, plain, self.observed))
            scored += [(self.trial.worth(recipe), name, recipe) for recipe in both]
        score, self.policy_name, recipe = max(scored, key=lambda one: min(one[0].even, one[0].odd))
        return recipe, score

    def refine(self, best: Recipe, score: Worth, notes: list[str]) -> tuple[Recipe, Worth]:
        """Rounding, single ranges, then what corrections are still worth."""
        rounded = with_rounding(self.builder, replace(best, biases={}), self.observed)
        rounded = with_biases(self.builder, rounded, self.observed)
        its_score = self.trial.worth(rounded)
        kept = its_score.mean > score.mean + MIN_GAIN_DB
        notes.append(f"Weights rounded for the output: {score.mean:.2f} to {its_score.mean:.2f} dB, {_verdict(kept)}.")
        if kept:
            best, score = rounded, its_score
        if self.scheme.activations not in WIDE:
            best, score = self._descend(best, score)
            notes.append(f"Single ranges chosen over {self.trial.count} trials, {score.mean:.2f} dB.")
        for label, other in (
            ("Bias correction", replace(best, biases={})),
            ("Bias correction, again", with_biases(self.builder, best, self.observed)),
        ):
            its_score = self.trial.worth(other)
            if its_score.beats(score, 0.0):
                best, score = other, its_score
                notes.append(f"{label}: {its_score.mean:.2f} dB.")
        return self._settle(best, score, notes)

    def _settle(self, best: Recipe, score: Worth, notes: list[str]) -> tuple[Recipe, Worth]:
        """What is off on average in the answers themselves comes off the last bias."""
        biases = dict(best.biases)
        for name, shift in self.trial.answer_shifts(best).items():
            bias = biases.get(name, self.builder.float_bias(self.layers[name]))
            biases[name] = (bias + shift).astype(np.float32)
        other = replace(best, biases=biases)
        its_score = self.trial.worth(other)
        if its_score.mean <= score.mean:
            return best, score
        notes.append(f"Bias of the answers: {score.mean:.2f} to {its_score.mean:.2f} dB.")
        return other, its_score

    def _descend(self, best: Recipe, score: Worth) -> tuple[Recipe, Worth]:
        """Every method for every group, those first that cost most, until nothing changes or the budget ends."""
        budget = self._budget()
        order = sorted(self.groups, key=lambda group: -self._error(group, best.methods[self.groups[group][0]]))
        choices = [(group, method) for group in order for method in self.candidates(group)]
        changed = True
        while changed:
            changed = False
            for group, method in choices:
                other = self._with(best, group, method)
                if other.ranges == best.ranges:
                    continue
                if budget <= 0:
                    return best, score
                budget -= 1
                its_score = self.trial.worth(other)
                if its_score.beats(score, MIN_GAIN_DB):
                    best, score, changed = other, its_score, True
        return best, score

    def _with(self, recipe: Recipe, group: str, method: str) -> Recipe:
        """The recipe with another method for one group."""
        members = self.groups[group]
        ranges = {**recipe.ranges, **dict.fromkeys(members, self.candidates(group)[method])}
        return replace(recipe, ranges=ranges, methods={**recipe.methods, **dict.fromkeys(members, method)})

    def _budget(self) -> int:
        macs = sum(_macs(self.network, layer) for layer in self.layers.values())
        return int(min(MAX_TRIALS, TRIAL_MACS // max(1, macs * len(self.observed.rows))))

    def _local(self, group: str) -> str:
        return min(self.candidates(group), key=lambda method: self._error(group, method))

    def _error(self, group: str, method: str) -> float:
        """Noise that a range puts into what reads the group, by its power; the group's own where no layer does."""
        affine = self.rule(*self.candidates(group)[method])
        members = self.groups[group]
        readers = [
            layer
            for layer in self.layers.values()
            if layer.node.inputs[0] in members and layer.name in self.observed.patches
        ]
        if not readers:
            return histogram_error(self.observed.tensors[members[0]], affine)
        return sum(self._reader_error(layer, affine) for layer in readers)

    def _reader_error(self, layer: Layer, affine: object) -> float:
        rows = self.observed.patches[layer.name][:LOCAL_ROWS].transpose(1, 0, 2)
        matrix = layer.matrix(self.builder.float_weights(layer)).transpose(0, 2, 1)
        power = float(np.square(rows @ matrix, dtype=np.float64).sum())
        noise = (round_trip(rows, affine) - rows) @ matrix  # type: ignore[arg-type]
        return float(np.square(noise, dtype=np.float64).sum()) / power if power else 0.0


def _equalised(plain: _Search) -> _Search | None:
    """The same function with scaled channels, observed again on the kept samples."""
    scheme = plain.scheme
    if scheme.activations in WIDE:
        return None
    streams = [
        stream
        for stream in find_streams(plain.network, plain.layers)
        if not stream.clips or (scheme.activations is not Activations.INT8 and scheme.bits == FULL_BITS)
    ]
    found = [(stream, best_factors(plain.network, plain.observed, stream, plain.rule)) for stream in streams]
    scaled = [(stream, factors) for stream, factors in found if factors is not None]
    if not scaled:
        return None
    constants, bounds = changes(plain.network, scaled)
    graph = summary.summarise(rescale(plain.graph.model, constants, bounds, stage=STAGE), stage=STAGE)
    observed = observe(graph, plain.observed.rows, seed=plain.observed.seed, stage=STAGE)
    return _Search(graph, observed, scheme, plain.on_trial)


def _verdict(kept: bool) -> str:
    return "kept" if kept else "dropped"


def _macs(network: Network, layer: Layer) -> int:
    """Multiplications of a layer for one sample."""
    places = network.shapes.get(layer.node.outputs[0], ())[2:]
    return int(network.constants[layer.weight].size * np.prod([max(1, size) for size in places], dtype=np.int64))
