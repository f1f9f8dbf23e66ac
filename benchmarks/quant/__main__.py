"""Quantize the real models with every quantizer: ``python -m benchmarks.quant --models ../shared/models --out FILE``.

Writes rows to ``FILE`` (``build/bench-quant.json``) and the table beside it (``build/bench-quant.md``), and prints it.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from benchmarks.quant.quantizers import QUANTIZERS, QuantizerFailedError
from benchmarks.quant.report import rows, table
from benchmarks.quant.score import Score, score
from benchmarks.quant.subjects import FEW, NAMES, Subject, subject
from benchmarks.rows import Row, skipped, write_rows
from benchmarks.subjects import DEFAULT_MODELS


@click.command()
@click.option("--models", type=click.Path(path_type=Path), default=DEFAULT_MODELS, help="Folder of the real models.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("build/bench-quant.json"), help="File of the rows."
)
@click.option("--only", type=click.Choice(NAMES), multiple=True, help="This model alone; may be repeated.")
def main(models: Path, out: Path, only: tuple[str, ...]) -> None:
    """Compare, write and print."""
    missing: list[Row] = []
    scores: dict[str, dict[str, Score]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for name in only or NAMES:
        found = subject(name, models)
        if found is None:
            missing.append(skipped(name, f"no model in {models}"))
            continue
        for label, one in {name: found, **{f"{name}, {few} rows": found.with_few(few) for few in _few(found)}}.items():
            sizes[label] = len(one.calibration), len(one.held_out)
            scores[label] = _compare(one, missing)
    text = table(scores, sizes, list(QUANTIZERS))
    write_rows([*rows(scores), *missing], out)
    out.with_suffix(".md").write_text(text, encoding="utf-8")
    click.echo(text)


def _few(found: Subject) -> list[int]:
    """Sizes of smaller calibration sets."""
    return [few for few in FEW if few < len(found.calibration)]


def _compare(found: Subject, missing: list[Row]) -> dict[str, Score]:
    """Every quantizer's score on one model; one that fails is a skipped row."""
    scores: dict[str, Score] = {}
    for name, quantizer in QUANTIZERS.items():
        begin = time.perf_counter()
        try:
            model = quantizer(found)
        except QuantizerFailedError as error:
            missing.append(skipped(f"{found.name}: {name}", str(error)))
            continue
        scores[name] = score(found, model, time.perf_counter() - begin)
    return scores


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.quant")
