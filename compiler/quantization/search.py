"""The recipe of a graph under one scheme, every choice by measured error.

Ranges by least squares, weights rounded for the output's sake, biases corrected, channels equalised: another policy, or
channels left as they are, take their place where the outputs on calibration samples come nearer to the float model's
beyond doubt: small differences there are chance, and do not hold on other inputs.
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
from compiler.importer.qdq_plan import Affine
from compiler.importer.qdq_read import read_network
from compiler.importer.qdq_rescale import rescale
from compiler.progress import Progress, Silent
from compiler.quantization.affine import FULL_BITS, affine_of, round_trip
from compiler.quantization.build import Builder
from compiler.quantization.corrections import with_biases, with_rounding
from compiler.quantization.equalise import best_factors, changes
from compiler.quantization.evaluate import STAGE
from compiler.quantization.grid import grid_range
from compiler.quantization.layers import Layer, layers_of
from compiler.quantization.observe import observe
from compiler.quantization.observed import Observed
from compiler.quantization.placement import place, products_to_float
from compiler.quantization.ranges import GRID, MIN_MAX, MSE, Rule, candidates, histogram_error
from compiler.quantization.recipe import Range, Recipe
from compiler.quantization.streams import find_streams
from compiler.quantization.trial import Trial, Worth, points
from compiler.scheme import Scheme
from hardware_profiles.schema import Activations

MIN_SEARCH_ROWS = 4
"""Fewest samples that a choice is measured on; with less, ranges are minimum and maximum."""

FEW_SAMPLES = 32
"""With fewer calibration samples only what depthwise layers read is equalised, where no weight pays for it: peaks of
single channels are too uncertain."""

MIN_GAIN_DB = 1.5
"""Least gain for which the rule is departed from, however sure: a quarter of a bit. Samples may be variants of a few
recordings, and then resemble each other more than other inputs do."""

MIN_LOCAL_GAIN = 0.9
"""Share of the error within layers that must at most be left, on either half of their rows, for another method."""

ANSWER_HEADROOM = 0.125
"""Share of its range by which a stored answer is given more room on either side: a sure answer beyond all that was
seen must not be cut, as that makes it an unsure one. Costs 2 dB of the answer's own rounding."""

LOCAL = "local"
"""The policy that gives every range the method of least error in what reads it."""

WIDE = frozenset({Activations.UINT16, Activations.INT16})

_RIVALS = (MIN_MAX, "percentile 99.999", "percentile 99.99", LOCAL)


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
    notes: list[str] = []
    name, best = plain.start(notes)
    best, score = plain.round(best, notes)
    chosen = plain
    if (other := _equalised(plain)) is not None:
        rival, its_score = other.round(with_biases(other.builder, other.policy(name), other.observed), [])
        kept = not score.beats(its_score, MIN_GAIN_DB)
        notes.append(f"Equalisation: {score.mean:.2f} to {its_score.mean:.2f} dB, {_verdict(kept)}.")
        if kept:
            chosen, best = other, rival
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
        self.few = observed.samples < FEW_SAMPLES
        self._answers = set(points(self.network))
        self._trial: Trial | None = None
        self._candidates: dict[str, Mapping[str, Range]] = {}
        self._powers: dict[str, float] = {}

    @property
    def trial(self) -> Trial:
        """Made when first used: a graph without samples has none."""
        if self._trial is None:
            self._trial = Trial(self.graph, self.builder, self.observed, self.on_trial)
        return self._trial

    @property
    def most_trials(self) -> int:
        """Of the whole search, about: policies of two graphs, and corrections."""
        if self.scheme.activations is None:
            return 1
        graphs = 1 if self.scheme.activations in WIDE else 2
        return 1 + len(self._rivals()) + 2 * graphs

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
                self._candidates[group] = {**candidates(widest, self.rule), MIN_MAX: (low, high), **self._grid(group)}
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
            method = GRID if GRID in found else methods[group] if methods[group] in found else MIN_MAX
            ranges |= dict.fromkeys(members, found[method])
            by_value |= dict.fromkeys(members, method)
        whole = {group: self.candidates(group)[MIN_MAX] for group in self.groups}
        return Recipe(ranges=ranges, methods=by_value, whole=whole)

    def start(self, notes: list[str]) -> tuple[str, Recipe]:
        """The first policy, or the best of those that are clearly better, with biases corrected; and its name."""
        name = MIN_MAX if self.scheme.activations in WIDE else MSE
        best = with_biases(self.builder, self.policy(name), self.observed)
        score = self.trial.worth(best)
        for rival in self._rivals():
            other = with_biases(self.builder, self.policy(rival), self.observed)
            its_score = self.trial.worth(other)
            if its_score.beats(score, MIN_GAIN_DB):
                name, best, score = rival, other, its_score
        notes.append(f"Ranges by {name}, biases corrected: {score.mean:.2f} dB.")
        return name, best

    def round(self, best: Recipe, notes: list[str]) -> tuple[Recipe, Worth]:
        """Weights rounded for the output's sake, unless the samples clearly speak against it."""
        score = self.trial.worth(best)
        rounded = with_biases(self.builder, with_rounding(self.builder, best, self.observed), self.observed)
        its_score = self.trial.worth(rounded)
        kept = not score.beats(its_score, MIN_GAIN_DB)
        notes.append(f"Weights rounded for the output: {score.mean:.2f} to {its_score.mean:.2f} dB, {_verdict(kept)}.")
        return (rounded, its_score) if kept else (best, score)

    def _rivals(self) -> tuple[str, ...]:
        """Policies beside the first."""
        return () if self.scheme.activations in WIDE else _RIVALS

    def _grid(self, group: str) -> dict[str, Range]:
        """The grid that an input lies on."""
        inputs = [member for member in self.groups[group] if member in self.network.inputs]
        found = grid_range([row[inputs[0]] for row in self.observed.rows], self.rule) if inputs else None
        return {GRID: found} if found is not None else {}

    def _local(self, group: str) -> str:
        """Least squares, unless another method errs clearly less on both halves of what layers read."""
        best = MSE if MSE in self.candidates(group) else MIN_MAX
        least = self._errors(group, best)
        for method in self.candidates(group):
            errors = self._errors(group, method)
            if all(error < MIN_LOCAL_GAIN * other for error, other in zip(errors, least, strict=True)):
                best, least = method, errors
        return best

    def _errors(self, group: str, method: str) -> tuple[float, float]:
        """Noise that a range puts into what reads the group, by its power, on halves of the rows.

        The group's own where no layer reads it.
        """
        affine = self.rule(*self.candidates(group)[method])
        members = self.groups[group]
        readers = [
            layer
            for layer in self.layers.values()
            if layer.node.inputs[0] in members and layer.name in self.observed.patches
        ]
        if not readers:
            error = histogram_error(self.observed.tensors[members[0]], affine)
            return error, error
        halves = [self._reader_errors(layer, affine) for layer in readers]
        return sum(one[0] for one in halves), sum(one[1] for one in halves)

    def _reader_errors(self, layer: Layer, affine: Affine) -> tuple[float, float]:
        rows = self.observed.local_rows(layer.name).transpose(1, 0, 2)
        matrix = layer.matrix(self.builder.float_weights(layer)).transpose(0, 2, 1)
        noise, half = (round_trip(rows, affine) - rows) @ matrix, rows.shape[1] // 2
        if layer.name not in self._powers:
            self._powers[layer.name] = float(np.square(rows @ matrix, dtype=np.float64).sum())
        power = self._powers[layer.name]
        halves = (float(np.square(one, dtype=np.float64).sum()) for one in (noise[:, :half], noise[:, half:]))
        first, last = (one / power if power else 0.0 for one in halves)
        return first, last


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
    if plain.few:
        streams = [stream for stream in streams if all(one.groups == one.channels for one in stream.readers)]
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
