"""Time many small modules in turn (A B C A B C ...), in wasmtime or in a Node process; the best turn of each counts."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import wasmtime

SCRIPT = Path(__file__).with_name("time_modules.mjs")

TURN_S = 0.002
"""Length of one turn: long beside a clock's step, short beside a busy neighbour's."""

SAMPLE = 64
"""Runs of a first call that tells how many make a turn: the call itself takes longer than a small kernel."""

WARM_UP_S = 0.03
"""Calls before the first turn, so that V8's second compiler is done."""


class Engine(Protocol):
    """Gives the best seconds of one run for each module."""

    name: str

    def time(self, modules: Sequence[bytes], rounds: int) -> list[float]:
        """``modules`` have the export ``repeat``; they run in turn, ``rounds`` times."""


class Wasmtime:
    """Wasmtime with its defaults, in this process."""

    name = "wasmtime"

    def time(self, modules: Sequence[bytes], rounds: int) -> list[float]:
        """See ``Engine``."""
        engine = wasmtime.Engine(wasmtime.Config())
        runs = [_instance(engine, code) for code in modules]
        counts = [max(1, round(TURN_S * SAMPLE / _seconds(run, SAMPLE))) for run in runs]
        best = [float("inf")] * len(runs)
        for _ in range(rounds):
            for index, run in enumerate(runs):
                best[index] = min(best[index], _seconds(run, counts[index]) / counts[index])
        return best


class Node:
    """A Node binary; ``name`` has its version."""

    def __init__(self, binary: str) -> None:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
        self.binary, self.name = binary, f"node {said.strip()}"

    def time(self, modules: Sequence[bytes], rounds: int) -> list[float]:
        """See ``Engine``. Raises ``subprocess.CalledProcessError`` when Node fails."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{index}.wasm" for index in range(len(modules))]
            for file, code in zip(files, modules, strict=True):
                file.write_bytes(code)
            plan = {"files": list(map(str, files)), "rounds": rounds, "turn": TURN_S, "warmUp": WARM_UP_S}
            made = subprocess.run(
                [self.binary, str(SCRIPT)], input=json.dumps(plan), capture_output=True, text=True, check=True
            )
        found: list[float] = json.loads(made.stdout)
        return found


def _instance(engine: wasmtime.Engine, code: bytes) -> Any:
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, wasmtime.Module(engine, code), []).exports(store)
    init, repeat = exports["init"], exports["repeat"]
    if not isinstance(init, wasmtime.Func) or not isinstance(repeat, wasmtime.Func):
        raise TypeError("expected init and repeat to be functions")
    init(store)
    repeat(store, 2)
    return lambda count: repeat(store, count)


def _seconds(run: Any, count: int) -> float:
    start = time.perf_counter()
    run(count)
    return time.perf_counter() - start
