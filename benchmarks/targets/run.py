"""Every model on every profile, kindred runtimes in a process of their own with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from benchmarks.child import REPOSITORY
from benchmarks.targets.outcome import Outcome, failed
from hardware_profiles.schema import Profile

LIMIT_S = 300.0
"""For one model on all profiles of one group; the slowest is MobileNetV2 on seven tensor processors, all emulated."""

GROUPS = {
    "litert": "TFLite", "ethos-u": "TFLite", "onnxruntime": "processors", "openvino": "processors", "wasm": "processors"
}  # fmt: skip
"""Runtimes whose profiles share quantized graphs; any other is a group of its own."""

MAX_TRACE_CHARS = 300
"""Of what a crashed process said last."""


def run_all(
    folders: Sequence[Path],
    profiles: Sequence[Profile],
    *,
    limit_s: float = LIMIT_S,
    advance: Callable[[str, int], None] = lambda _what, _steps: None,
) -> Iterator[Outcome]:
    """One outcome for each model and profile; ``advance`` is told what is done, and how many outcomes that were."""
    ordered = sorted(profiles, key=lambda profile: (_group(profile), profile.runtime, profile.name))
    for folder in folders:
        for name, group in groupby(ordered, key=_group):
            chosen = list(group)
            yield from run_group(folder, chosen, limit_s=limit_s)
            advance(f"{folder.name}, {name}", len(chosen))


def run_group(folder: Path, profiles: Sequence[Profile], *, limit_s: float) -> Iterator[Outcome]:
    """The outcomes of profiles tried together; where that crashes or lasts too long, each by itself."""
    names = [one.name for one in profiles]
    with tempfile.TemporaryDirectory(prefix="skerry-targets-") as place:
        out = Path(place) / "outcomes"
        command = [sys.executable, "-m", "benchmarks.targets.attempt", str(out), str(folder), *names]
        reason = _why_not(command, limit_s)
        found = [] if reason else [msgspec.json.decode(line, type=Outcome) for line in out.read_bytes().splitlines()]
    if not reason:
        yield from found
    elif len(profiles) == 1:
        one = profiles[0]
        yield failed(folder.name, one.name, one.runtime, one.precision.value, reason)
    else:
        for profile in profiles:
            yield from run_group(folder, [profile], limit_s=limit_s)


def _group(profile: Profile) -> str:
    return GROUPS.get(profile.runtime, profile.runtime)


def _why_not(command: Sequence[str], limit_s: float) -> str:
    """Run it; what went wrong, or nothing. Whatever it started ends with it."""
    process = subprocess.Popen(  # no shell, and our own module
        command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        _, said = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"took longer than {limit_s:g} s"
    return f"crashed: {' '.join(said.split())[-MAX_TRACE_CHARS:]}" if process.returncode else ""
