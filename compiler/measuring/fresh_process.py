"""One variant in a fresh process that loads and runs it and nothing else: its peak memory, and its answers.

``python -m compiler.measuring.fresh_process FOLDER`` is the child: it reads ``job.msgpack`` and ``files/`` from the
folder and writes a ``FreshRun`` beside them, since vendors' libraries write to standard output as they like (QNN's
emulator does). It imports no onnx, no quantizer and no plots.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from compiler.tool_process import ToolCall, ToolRun, complaint, module_command, watch_tool
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import EngineError
from edge_bundle.tensor import Tensor
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine
from edge_runtime.packed import PackedTensor, pack, unpack

TIMEOUT_S = 300.0
"""Longest the child may take, in seconds; the largest model here needs below 3."""

LEAST_RUNS = 10
"""Fewest runs in the child: scratch memory is fully grown after the first."""

FILL = {"MALLOC_PERTURB_": "165"}
"""glibc fills memory with the complement of this byte as it hands it out, and with the byte itself as it takes it back
(mallopt(3), M_PERTURB): an answer that depends on what was there before does not stay the same."""

KIB = 1024

RUN_FILE = "run.json"
"""What the child leaves in its folder."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the child runs; ``source`` comes without its files, which lie beside it."""

    source: EngineSource
    file_names: tuple[str, ...]
    rows: tuple[dict[str, PackedTensor], ...]


class FreshRun(msgspec.Struct, frozen=True, kw_only=True):
    """What the child measured: ``answers`` has the digests of the outputs of each row, by name."""

    peak_rss_bytes: int
    answers: tuple[dict[str, str], ...]


def run_in_fresh_process(
    source: EngineSource, rows: Sequence[Mapping[str, Tensor]], *, filled_memory: bool = False
) -> FreshRun:
    """Load the variant in a new process, run it there on every row, and say what that took and gave.

    With ``filled_memory`` no fresh memory is zero, where the C library can do that; its peak says less.

    Raises:
        EngineError: the child failed; its last line of output says why.

    """
    names = tuple(sorted(source.files))
    with tempfile.TemporaryDirectory(prefix="skerry-") as folder:
        for number, name in enumerate(names):
            (Path(folder) / str(number)).write_bytes(source.files[name])
        job = Job(source=replace(source, files={}), file_names=names, rows=tuple(map(pack, rows)))
        (Path(folder) / "job.msgpack").write_bytes(msgspec.msgpack.encode(job))
        child, what = _run_child(Path(folder), FILL if filled_memory else {})
        told = _read(Path(folder) / RUN_FILE)
    try:
        if not what:
            return msgspec.json.decode(told, type=FreshRun)
    except msgspec.DecodeError:
        what = "left no result"
    said = f": {child.last_line}" if child.last_line else ""
    raise EngineError(runtime=source.runtime, detail=f"running in a fresh process {what}{said}")


def _read(path: Path) -> bytes:
    """The child's result; nothing where it failed before it had one."""
    return path.read_bytes() if path.exists() else b""


def digest_outputs(outputs: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of the bytes of each output."""
    return {name: sha256_digest(data) for name, data in outputs.items()}


def _run_child(folder: Path, settings: Mapping[str, str]) -> tuple[ToolRun, str]:
    """What became of the child, and what is wrong with that, or nothing."""
    call = ToolCall(
        tool="a fresh process",
        command=module_command("compiler.measuring.fresh_process", folder),
        folder=folder,
        timeout_s=TIMEOUT_S,
        environment=settings,
    )
    run = watch_tool(call)
    return run, complaint(call, run)


def run_job(folder: Path) -> FreshRun:
    """Load, run, and measure this process."""
    job = msgspec.msgpack.decode((folder / "job.msgpack").read_bytes(), type=Job)
    files = {name: (folder / str(number)).read_bytes() for number, name in enumerate(job.file_names)}
    rows = [unpack(row) for row in job.rows]
    with open_engine(replace(job.source, files=files)) as engine:
        answers = [{name: bytes(tensor.data) for name, tensor in engine.run(row).items()} for row in rows]
        for run in range(LEAST_RUNS - len(rows)):
            engine.run(rows[run % len(rows)])
        return FreshRun(peak_rss_bytes=own_peak_rss(), answers=tuple(map(digest_outputs, answers)))


def own_peak_rss() -> int:
    """``VmHWM`` of this process in bytes.

    ``ru_maxrss`` is only the fallback: Linux carries it over ``execve``, so a child would report its parent's peak.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


if __name__ == "__main__":
    place = Path(sys.argv[1])
    (place / RUN_FILE).write_bytes(msgspec.json.encode(run_job(place)))
