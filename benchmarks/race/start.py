"""Opening a variant again and again: compiled anew, against taken from what the node kept."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from compiler.compilation import Measured
from compiler.measuring.race import Times
from compiler.measuring.variant_source import source_of_lowered
from edge_bundle.contract import Contract
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine

ROUNDS = 11
"""Starts of each kind, in turn."""

US = 1e6


@dataclass(frozen=True)
class Start:
    """Microseconds that opening took, one value per round."""

    compiled: Times
    imported: Times


def time_start(entrants: Iterable[Measured], contract: Contract, folder: Path) -> Start | None:
    """The first variant for OpenVINO; ``None`` without one. ``folder`` is where compiled code is kept meanwhile."""
    sources = (source_of_lowered(one.lowered, contract) for one in entrants)
    anew = next((one for one in sources if one.runtime == "openvino"), None)
    if anew is None:
        return None
    kept = replace(anew, cache_dir=folder)
    _open_us(kept)
    pairs = [(_open_us(anew), _open_us(kept)) for _ in range(ROUNDS)]
    return Start(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))


def _open_us(source: EngineSource) -> float:
    begin = time.perf_counter()
    open_engine(source).close()
    return (time.perf_counter() - begin) * US
