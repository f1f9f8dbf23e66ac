"""Latencies as rows and as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks.rows import Row, figure
from benchmarks.wasm.engines import EngineName
from benchmarks.wasm.latency import Latency
from benchmarks.wasm.models import SPEED, Precision


@dataclass(frozen=True)
class Comparison:
    """A ratio of our latency to a peer's, geometric mean over the models of ``SPEED``; ``target`` is an upper bound."""

    name: str
    ours: EngineName
    peer: EngineName
    precision: Precision
    target: float


COMPARISONS = (
    Comparison("vs_onnxruntime_web_fp32", EngineName.SKERRY_NODE, EngineName.ORT_WEB, Precision.FP32, 0.38),
    Comparison("vs_onnxruntime_web_int8", EngineName.SKERRY_NODE, EngineName.ORT_WEB, Precision.INT8, 0.14),
    Comparison("vs_tfjs_fp32", EngineName.SKERRY_NODE, EngineName.TFJS, Precision.FP32, 0.5),
    Comparison("wasmtime_vs_native_fp32", EngineName.SKERRY_WASMTIME, EngineName.NATIVE, Precision.FP32, 2.8),
    Comparison("wasmtime_vs_native_int8", EngineName.SKERRY_WASMTIME, EngineName.NATIVE, Precision.INT8, 2.4),
)


def comparison_rows(latencies: Sequence[Latency]) -> Iterator[Row]:
    """The geometric means; one that lacks a model says which."""
    for one in COMPARISONS:
        found = {
            latency.job.model.name: latency.ratio(one.ours, one.peer)
            for latency in latencies
            if latency.job.precision is one.precision
        }
        ratios = [ratio for name in SPEED if (ratio := found.get(name)) is not None]
        missing = [name for name in SPEED if found.get(name) is None]
        if missing:
            unit = f"not measured: no ratio for {', '.join(missing)}"
            yield Row(name=one.name, value=None, unit=unit, target=one.target, ok=False)
        else:
            yield figure(one.name, math.exp(sum(map(math.log, ratios)) / len(ratios)), "ratio", one.target)


def latency_rows(latencies: Sequence[Latency]) -> Iterator[Row]:
    """One row for each model, precision and engine, and our ratios to the peers of that model."""
    for latency in latencies:
        for engine in latency.samples:
            yield figure(f"latency_ms/{latency.job.name}/{engine.value}", latency.ms(engine), "ms")
        for one in COMPARISONS:
            ratio = latency.ratio(one.ours, one.peer)
            if one.precision is latency.job.precision and ratio is not None:
                yield figure(f"{one.name}/{latency.job.model.name}", ratio, "ratio")


def markdown(figures: Sequence[Row], latencies: Sequence[Latency], facts: Sequence[Row]) -> str:
    """The same as Markdown, for ``docs/wasm.md``."""
    names = [engine.value for engine in EngineName]
    lines = [f"- {row.name}: {row.unit}" for row in facts]
    lines += ["", f"| ms a run | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for latency in latencies:
        times = [_number(latency.ms(engine)) if engine in latency.samples else "" for engine in EngineName]
        lines.append(f"| {latency.job.name} | {' | '.join(times)} |")
    lines += ["", "| figure | value | unit | goal |", "|---|---:|---|---:|"]
    for row in figures:
        value = "" if row.value is None else f"{row.value:g}"
        lines.append(f"| {row.name} | {value} | {row.unit} | {'' if row.target is None else f'{row.target:g}'} |")
    return "\n".join(lines) + "\n"


def latency_table(latencies: Sequence[Latency]) -> Table:
    """Milliseconds of every engine, and the ratios beside their targets."""
    table = Table(title="ms a run, one thread", title_justify="left", box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for engine in EngineName:
        table.add_column(engine.value, justify="right", no_wrap=True)
    for heading in ("node/web", "node/tfjs", "wasmtime/native"):
        table.add_column(heading, justify="right", no_wrap=True)
    for latency in latencies:
        times = [_number(latency.ms(engine)) if engine in latency.samples else "" for engine in EngineName]
        pairs = (
            (EngineName.SKERRY_NODE, EngineName.ORT_WEB),
            (EngineName.SKERRY_NODE, EngineName.TFJS),
            (EngineName.SKERRY_WASMTIME, EngineName.NATIVE),
        )
        ratios = [_number(latency.ratio(*pair)) for pair in pairs]
        table.add_row(latency.job.name, *times, *ratios)
    return table


def rows_table(rows: Sequence[Row]) -> Table:
    """Figures with their goals."""
    table = Table(box=None, pad_edge=False)
    table.add_column("figure", no_wrap=True)
    for heading in ("value", "goal", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        value = row.unit if row.value is None else f"{row.value:g}"
        goal = ("", "") if row.target is None else (f"{row.target:g}", "met" if row.ok else "over")
        table.add_row(row.name, value, *goal)
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"  # noqa: PLR2004
