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


CASES_OF_WORKER = 100
"""Fewer than that are done before a further worker has loaded its own."""


def run_cases(pattern: str, on_start: Callable[[int], None], on_verdict: Callable[[Verdict], None]) -> list[Verdict]:
    """The verdict on every case whose name contains a match of ``pattern`` (a regular expression), sorted by name.

    ``on_start`` gets the number of cases; ``on_verdict`` is called from the threads that attend the workers.
    """
    with Child(WORKER) as first:
        cases = {name: operator for name, operator in _read(first, dict[str, str]).items() if re.search(pattern, name)}
        on_start(len(cases))
        run = _Run(cases, on_verdict)
        workers = min(MAX_WORKERS, len(os.sched_getaffinity(0)), 1 + len(cases) // CASES_OF_WORKER)
        with ThreadPoolExecutor(workers) as pool:
            attended = [pool.submit(run.attend, first), *(pool.submit(run.attend_more) for _ in range(workers - 1))]
            for one in attended:
                one.result()
    run.attend_more()
    return sorted(run.verdicts, key=lambda verdict: verdict.case)


class _Run:
    """Cases that wait, with the operator of each, and the verdicts so far."""

    def __init__(self, operators: Mapping[str, str], on_verdict: Callable[[Verdict], None]) -> None:
        self._operators, self._on_verdict = operators, on_verdict
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for name in operators:
            self._waiting.put(name)
        self.verdicts: list[Verdict] = []

    def attend_more(self) -> None:
        """Start one worker after another until nothing waits."""
        while not self._waiting.empty():
            with Child(WORKER) as child:
                _read(child, dict[str, str])
                self.attend(child)

    def attend(self, child: Child) -> None:
        """Feed a worker until nothing waits, or until it dies: then the case that it died of is wrong."""
        while True:
            try:
                name = self._waiting.get_nowait()
            except queue.Empty:
                return
            child.write_line(name.encode())
            try:
                self._take(_read(child, Verdict))
            except RuntimeError as error:
                reason = str(error)
                self._take(Verdict(case=name, operator=self._operators[name], outcome=Outcome.WRONG, reason=reason))
                return

    def _take(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self._on_verdict(verdict)


def _read(child: Child, type_: type[T]) -> T:
    return msgspec.json.decode(child.read_line(), type=type_)
