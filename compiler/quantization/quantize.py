"""The front door: a float graph and what calibration saw become a graph in QDQ form under one scheme."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from compiler.graph import Graph
from compiler.importer import onnx_rewrite, summary
from compiler.importer.qdq_read import read_network
from compiler.importer.qdq_write import Written, write_qdq
from compiler.progress import Progress
from compiler.quantization.affine import FULL_BITS
from compiler.quantization.build import Builder
from compiler.quantization.evaluate import Values, sqnr_db, values_of
from compiler.quantization.layers import layers_of
from compiler.quantization.observed import Observed
from compiler.quantization.operators import ACTIVATIONS, LAYERS, OPERATORS
from compiler.quantization.placement import Keep, Placement, place
from compiler.quantization.search import search
from compiler.quantized import Layer, Quantized
from compiler.scheme import Scheme
from edge_bundle.errors import CompileError
from hardware_profiles.schema import Activations

STAGE = "quantize"

MAX_REPORT_ROWS = 8
"""Samples that a layer's reported error is measured on."""

_KEPT = {Keep.FLOAT: "float", Keep.INT16: "a16w8"}
_WIDE = frozenset({Activations.UINT16, Activations.INT16})


def quantize(graph: Graph, observed: Observed, scheme: Scheme, keep: Mapping[str, str] | None = None) -> Quantized:
    """The graph under a scheme. ``keep`` maps names of layers to ``float`` or ``int16``. Deterministic.

    Who tries several ``keep`` on one graph makes a ``Quantizer`` once.

    Raises:
        CompileError: nothing in the graph can be quantized, or ``keep`` names no layer of it.

    """
    return Quantizer(graph, observed, scheme).quantize(keep or {})


class Quantizer:
    """One graph under one scheme: what is searched for once serves every ``keep``.

    The search is a stage called ``name`` of ``progress``: it takes most of a compile's time.
    """

    def __init__(
        self, graph: Graph, observed: Observed, scheme: Scheme, progress: Progress | None = None, name: str = STAGE
    ) -> None:
        self._scheme, self._rows = scheme, observed.rows[:MAX_REPORT_ROWS]
        _check(graph, scheme)
        found = search(graph, observed, scheme, progress, name)
        self._graph, self._recipe = found.graph, found.recipe
        self._network = read_network(self._graph.model, stage=STAGE)
        self._layers = layers_of(self._network)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in topological order: what ``keep`` may name."""
        return tuple(self._layers)

    def quantize(self, keep: Mapping[str, str]) -> Quantized:
        """The graph with some layers kept.

        Raises:
            CompileError: ``keep`` names no layer, or an unknown precision.

        """
        self._check_keep(keep)
        placement = place(self._network, self._layers, self._scheme, keep)
        if self._scheme.activations is not None and not placement.reads:
            raise CompileError(
                stage=STAGE,
                detail="expected a layer in the graph itself, got none that values of the graph reach",
                advice="layers inside If and Loop stay float: compile for fp32 profiles, or export without them",
            )
        written = write_qdq(self._graph.model, self._builder(placement).plan(self._recipe), stage=STAGE)
        return Quantized(
            scheme=self._scheme,
            graph=self._finished(written.model),
            layers=self._report(written, keep, placement),
            notes=self._recipe.notes,
        )

    @cached_property
    def _float_outputs(self) -> Values:
        names = [layer.node.outputs[0] for layer in self._layers.values()]
        names = [self._behind(name) for name in names]
        return values_of(self._graph.model, names, self._rows)

    def _behind(self, name: str) -> str:
        """A layer's output behind its Relu or Clip."""
        readers = self._network.readers.get(name, ())
        while len(readers) == 1 and readers[0][0].op in ACTIVATIONS and name not in self._network.outputs:
            name = readers[0][0].outputs[0]
            readers = self._network.readers.get(name, ())
        return name

    def _builder(self, placement: Placement) -> Builder:
        return Builder(self._network, self._layers, self._scheme, placement)

    def _finished(self, model: bytes) -> Graph:
        if self._scheme.activations is not None and self._scheme.bits < FULL_BITS:
            model = onnx_rewrite.limit_stored(model, (1 << self._scheme.bits) - 1, stage=STAGE)
            model = onnx_rewrite.canonicalise(model, stage=STAGE)
        return summary.summarise(model, stage=STAGE)

    def _report(self, written: Written, keep: Mapping[str, str], placement: Placement) -> tuple[Layer, ...]:
        """Every layer, its error measured on kept samples."""
        points = {name: self._behind(layer.node.outputs[0]) for name, layer in self._layers.items()}
        seen = {value: written.seen.get(value, value) for value in points.values()}
        found = values_of(written.model, list(seen.values()), self._rows)
        return tuple(
            Layer(
                name=name,
                operator=layer.node.op,
                precision=self._precision(name, keep, placement),
                method=self._recipe.methods.get(placement.groups.get(points[name], ""), ""),
                sqnr_db=round(sqnr_db(self._float_outputs[points[name]], found[seen[points[name]]]), 2),
                kept=name in keep,
            )
            for name, layer in self._layers.items()
        )

    def _precision(self, name: str, keep: Mapping[str, str], placement: Placement) -> str:
        if name in keep:
            return _KEPT[Keep(keep[name])]
        if self._scheme.activations is None:
            return f"w{self._scheme.weight_bits}"
        if (name, 0) not in placement.reads:
            return "float"
        return "a16w8" if self._scheme.activations in _WIDE else "int8"

    def _check_keep(self, keep: Mapping[str, str]) -> None:
        for name, kept in keep.items():
            if name not in self._layers or kept not in set(Keep):
                names = ", ".join(self._layers) or "none"
                raise CompileError(
                    stage=STAGE,
                    node=name,
                    detail=f"expected a layer ({names}) to keep in float or int16, got {name!r} in {kept!r}",
                )


def _check(graph: Graph, scheme: Scheme) -> None:
    wanted = sorted(LAYERS) if scheme.activations is None else OPERATORS
    if not set(wanted) & set(graph.op_counts):
        raise CompileError(
            stage=STAGE,
            detail=f"expected one of the operators {', '.join(wanted)}, got {', '.join(graph.op_counts)}",
            advice="compile this model for fp32 profiles only",
        )
