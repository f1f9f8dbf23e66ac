"""Equalisation keeps the float function; rounding and biases bring layers nearer to it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from compiler.graph import Graph
from compiler.importer import summary
from compiler.importer.qdq_read import read_network
from compiler.importer.qdq_rescale import rescale
from compiler.importer.qdq_write import write_qdq
from compiler.quantization.affine import affine_of
from compiler.quantization.build import Builder
from compiler.quantization.corrections import with_biases
from compiler.quantization.equalise import best_factors, changes
from compiler.quantization.evaluate import sqnr_db, values_of
from compiler.quantization.layers import layers_of
from compiler.quantization.placement import place
from compiler.quantization.recipe import Recipe
from compiler.quantization.rounding import compensated
from compiler.quantization.streams import find_streams
from compiler.quantization.weights import channel_scales, make_room, per_channel, rounded, stored_bias
from compiler.scheme import Scheme
from hardware_profiles.schema import Activations
from tests.compiler.quantization.graphs import network, observed, samples

UINT8 = Scheme(Activations.UINT8)
RULE = partial(affine_of, activations=Activations.UINT8)


def scaled(graph: Graph) -> Graph:
    """The network with factors of one per 2, 4, .. in every stream."""
    found = read_network(graph.model, stage="test")
    streams = find_streams(found, layers_of(found))
    factors = [(one, np.float32(0.5) ** np.arange(one.channels, dtype=np.float32)) for one in streams]
    constants, bounds = changes(found, factors)
    return summary.summarise(rescale(graph.model, constants, bounds, stage="test"), stage="test")


@pytest.mark.parametrize("activation", ["Clip", "Relu"])
def test_the_float_function_stays(activation: str) -> None:
    graph = network(activation=activation)
    other = scaled(graph)
    assert other.model != graph.model
    rows = [{"x": row["x"] * np.float32(5.0)} for row in samples(8, seed=3)]  # far beyond the Clip's bound
    want, got = (values_of(one.model, ["y"], rows)["y"] for one in (graph, other))
    assert sqnr_db(want, got) > 100.0


def test_streams_end_at_layers() -> None:
    found = read_network(network().model, stage="test")
    streams = {one.makers[0].name: one for one in find_streams(found, layers_of(found))}
    assert set(streams) == {"first"}  # the others reach the Concat, which no factor passes
    assert streams["first"].values == ("a1", "c1")
    assert [reader.name for reader in streams["first"].readers] == ["depthwise"]


def test_uneven_channels_gain() -> None:
    graph = network(activation="Relu")
    found = read_network(graph.model, stage="test")
    (stream,) = find_streams(found, layers_of(found))
    factors = best_factors(found, observed(graph), stream, lambda low, high: RULE(low * 1.5, high * 1.5))
    assert factors is not None
    assert factors.max() <= 1.0
    assert factors.min() > 0.0


def test_compensated_weights_err_less_in_the_output() -> None:
    rng = np.random.default_rng(11)
    rows = (rng.normal(size=(400, 6)) @ rng.normal(size=(6, 24))).astype(np.float32)[:, None]  # inputs go together
    weights = rng.normal(size=(1, 10, 24)).astype(np.float32)
    scales = channel_scales(weights) * np.float32(8)  # coarse

    def error(stored: np.ndarray[tuple[int, ...], np.dtype[np.int8]]) -> float:
        return float(np.square(rows[:, 0] @ (stored * scales[..., None] - weights)[0].T).sum())

    nearest = rounded(weights, scales)
    assert error(compensated(weights, scales, rows)) < error(nearest) / 3


def test_weights_on_the_grid_stay() -> None:
    rng = np.random.default_rng(2)
    stored = rng.integers(-127, 128, size=(1, 4, 9)).astype(np.int8)
    scales = np.full((1, 4), 0.125, np.float32)
    rows = rng.normal(size=(50, 1, 9)).astype(np.float32)
    np.testing.assert_array_equal(compensated(stored * scales[..., None], scales, rows), stored)


def test_biases_fit_where_weights_are_next_to_nothing() -> None:
    found = read_network(network().model, stage="test")
    layer = layers_of(found)["first"]
    weights = np.zeros((8, 3, 3, 3), np.float32)
    bias = np.linspace(-3, 3, 8, dtype=np.float32)
    held = make_room(per_channel(layer, weights), bias, 0.01)
    np.testing.assert_allclose(stored_bias(bias, held, 0.01).real(), bias, rtol=1e-6)


def test_bias_correction_takes_the_mean_error_off() -> None:
    """Coarse ranges shift a layer's mean; with corrected biases its channels come nearer to the float layer's."""
    graph = network(activation="Relu")
    seen = observed(graph)
    found = read_network(graph.model, stage="test")
    layers = layers_of(found)
    builder = Builder(found, layers, UINT8, place(found, layers, UINT8, {}))
    ranges = {value: (seen.range_of(value)[0] * 6, seen.range_of(value)[1] * 6) for value in builder.placement.groups}
    plain = Recipe(ranges=ranges, methods={})

    def gap(recipe: Recipe) -> float:
        written = write_qdq(graph.model, builder.plan(recipe), stage="test")
        want = values_of(graph.model, ["c3"], seen.rows)["c3"]
        got = values_of(written.model, [written.seen["c3"]], seen.rows)[written.seen["c3"]]
        return float(np.square(np.mean(np.subtract(want, got), axis=(0, 1, 3, 4))).sum())

    assert gap(with_biases(builder, plain, seen)) < gap(plain)
