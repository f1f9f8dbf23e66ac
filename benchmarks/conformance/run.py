"""Share the cases out among worker processes; one that dies costs one case."""

from __future__ import annotations

import os
import queue
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from benchmarks.child import Child
from benchmarks.conformance.verdict import Outcome, Verdict

T = TypeVar("T")

WORKER = "benchmarks.conformance.worker"
MAX_WORKERS = 8
"""More would spend their time on loading the cases (3 s each)."""


def run_cases(pattern: str, on_start: Callable[[int], None], on_verdict: Callable[[Verdict], None]) -> list[Verdict]:
    """The verdict on every case whose name contains a match of ``pattern`` (a regular expression), sorted by name.

    ``on_start`` gets the number of cases; ``on_verdict`` is called from the threads that attend the workers.
    """
    with Child(WORKER) as first:
        cases = {name: operator for name, operator in _read(first, dict[str, str]).items() if re.search(pattern, name)}
    on_start(len(cases))
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in cases:
        waiting.put(name)
    verdicts: list[Verdict] = []

    def take(verdict: Verdict) -> None:
        verdicts.append(verdict)
        on_verdict(verdict)

    workers = min(MAX_WORKERS, len(os.sched_getaffinity(0)), len(cases))
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for done in [pool.submit(_work, cases, waiting, take) for _ in range(workers)]:
            done.result()
    return sorted(verdicts, key=lambda verdict: verdict.case)


def _work(operators: Mapping[str, str], waiting: queue.SimpleQueue[str], take: Callable[[Verdict], None]) -> None:
    """One worker after another, until nothing waits."""
    while not waiting.empty():
        with Child(WORKER) as child:
            _read(child, dict[str, str])
            died = _serve(child, waiting, take)
        if died is not None:
            name, words = died
            take(Verdict(case=name, operator=operators[name], outcome=Outcome.WRONG, reason=words))


def _serve(child: Child, waiting: queue.SimpleQueue[str], take: Callable[[Verdict], None]) -> tuple[str, str] | None:
    """Feed a worker until nothing waits, or until it dies: then the case that it died of, and how."""
    while True:
        try:
            name = waiting.get_nowait()
        except queue.Empty:
            return None
        child.write_line(name.encode())
        try:
            take(_read(child, Verdict))
        except RuntimeError as error:
            return name, str(error)


def _read(child: Child, type_: type[T]) -> T:
    return msgspec.json.decode(child.read_line(), type=type_)
