"""A variant tried in a process of its own before it is opened in ours.

Native runtimes parse what they are given in C++: a file that a runtime trips over, a driver or a CPU that it does not
get on with, ends the whole process. Signatures say who made a variant, not that this machine survives it. So another
process goes first; what it answers does not matter, only that it lives.

``python -P -m edge_runtime.trial`` is that process. On standard input: eight bytes of length, a ``_Job`` as MessagePack
of that length, then the files one after the other. Nothing is written to disk but what the engine itself keeps there.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, BinaryIO

import msgspec

from edge_bundle.errors import EngineError, EngineTimeoutError, SkerryError
from edge_bundle.tensor import Tensor
from edge_runtime.child_process import end_group, environment, last_line, signal_name
from edge_runtime.child_start import bound_to_us
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine
from edge_runtime.packed import PackedTensor, pack, unpack

NATIVE = frozenset({"litert", "onnxruntime", "openvino", "qnn"})
"""Runtimes that are tried. WebAssembly is checked and bounded here, and the simulator has a process of its own."""

TIMEOUT_S = 600.0
"""Longest that loading and one run may take, in seconds: an NPU's driver may compile for minutes."""

REFUSED = 3
"""Exit status where the engine refused: ours will as well, and say why."""

_running: set[subprocess.Popen[bytes]] = set()
"""Other processes of now; sets are changed in one step."""

_LENGTH_BYTES = 8


class _Job(msgspec.Struct, frozen=True, kw_only=True):
    """The source without its files and without its folder, which has no form in MessagePack."""

    source: EngineSource
    sizes: dict[str, int]
    cache_dir: str | None
    inputs: dict[str, PackedTensor]


def try_out(source: EngineSource, inputs: Mapping[str, Tensor], *, timeout_s: float = TIMEOUT_S) -> None:
    """Open a variant of a native runtime in another process and run it once.

    Raises:
        EngineError: that process did not survive; says by which signal, and what it said last.
        EngineTimeoutError: it did not come to an end.

    """
    if source.runtime not in NATIVE:
        return
    with _log() as log:
        status = _run(source, inputs, log, timeout_s)
        if status in (0, REFUSED):
            return
        last = last_line(log)
    said = f": {last}" if last else ""
    how = f"crashed: {signal_name(-status)}" if status < 0 else f"ended with status {status}"
    raise EngineError(
        runtime=source.runtime,
        detail=f"a process of its own, in which the variant was tried, {how}{said}",
        advice="the runtime, its driver or this CPU does not take the variant; name others under fallback.profiles",
    )


def _log() -> IO[bytes]:
    """For what the process says; a full disk must not keep a variant from serving, only from being quoted."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return Path(os.devnull).open("r+b")


def _run(source: EngineSource, inputs: Mapping[str, Tensor], log: IO[bytes], timeout_s: float) -> int:
    """The exit status, or minus the signal."""
    try:
        process = subprocess.Popen(  # noqa: S603
            bound_to_us((sys.executable, "-P", "-m", __spec__.name)),
            env=environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    except OSError as error:
        detail = f"cannot be tried in a process of its own: {error.strerror or error}"
        raise EngineError(runtime=source.runtime, detail=detail) from error
    late = threading.Event()

    def end() -> None:
        late.set()
        end_group(process)

    timer = threading.Timer(timeout_s, end)
    timer.start()
    _running.add(process)
    try:
        with contextlib.suppress(BrokenPipeError):  # it is gone already; its status says why
            _send(process.stdin, source, inputs)
        status = process.wait()
    finally:
        timer.cancel()
        _running.discard(process)
        end_group(process)
    if late.is_set():
        raise EngineTimeoutError(runtime=source.runtime, limit_s=timeout_s)
    return status


def end_trials() -> None:
    """For who stops and waits for the threads that try: their trials end now, as if they had crashed."""
    for process in tuple(_running):
        end_group(process)


def _send(sink: IO[bytes] | None, source: EngineSource, inputs: Mapping[str, Tensor]) -> None:
    """File by file: an artifact is not held twice for it."""
    job = _Job(
        source=replace(source, files={}, cache_dir=None),
        sizes={name: len(data) for name, data in source.files.items()},
        cache_dir=None if source.cache_dir is None else str(source.cache_dir),
        inputs=pack(inputs),
    )
    head = msgspec.msgpack.encode(job)
    if sink is None:
        return
    with sink:
        for part in (len(head).to_bytes(_LENGTH_BYTES), head, *source.files.values()):
            sink.write(part)


def run_trial(stream: BinaryIO) -> int:
    """In the other process: open, run, close; the exit status."""
    job = msgspec.msgpack.decode(stream.read(int.from_bytes(stream.read(_LENGTH_BYTES))), type=_Job)
    files = {name: stream.read(size) for name, size in job.sizes.items()}
    folder = None if job.cache_dir is None else Path(job.cache_dir)
    try:
        with open_engine(replace(job.source, files=files, cache_dir=folder)) as engine:
            engine.run(unpack(job.inputs))
    except SkerryError:
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(run_trial(sys.stdin.buffer))
