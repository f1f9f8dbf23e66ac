"""Refresh generated parts of pages in ``docs/``: ``python -m benchmarks.docs [--measured]``.

Parts that follow from the code are written always; ``--measured`` takes over what the benchmarks left in ``build/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from benchmarks.docs.litert import operator_table
from benchmarks.docs.measured import FILES, LITERT_FILES, QUANTIZATION_FILES, TARGET_FILES, measured_parts
from benchmarks.docs.page import LITERT_PAGE, PAGE, QUANTIZATION_PAGE, TARGETS_PAGE, with_parts
from benchmarks.docs.profiles import profiles_table
from benchmarks.docs.static import static_parts


@click.command()
@click.option("--measured", is_flag=True, help="Take over the tables of measurements too.")
@click.option("--build", type=click.Path(path_type=Path), default=Path("build"), help="Where the benchmarks wrote.")
def main(measured: bool, build: Path) -> None:
    """Write the pages anew; a measurement that is missing leaves its part as it is."""
    pages: tuple[tuple[Path, Mapping[str, str], Mapping[str, tuple[str, str]]], ...] = (
        (PAGE, static_parts(), FILES),
        (TARGETS_PAGE, {"profiles": profiles_table()}, TARGET_FILES),
        (LITERT_PAGE, {"operators": operator_table()}, LITERT_FILES),
        (QUANTIZATION_PAGE, {}, QUANTIZATION_FILES),
    )
    for page, parts, files in pages:
        found = measured_parts(build, files) if measured else {}
        for name, (file, command) in files.items():
            if measured and name not in found:
                click.echo(f"{name}: left as it is, there is no {build / file} (`{command}` makes it)", err=True)
        page.write_text(with_parts(page.read_text(encoding="utf-8"), {**parts, **found}), encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.docs")
