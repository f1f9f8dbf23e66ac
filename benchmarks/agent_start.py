"""A node that serves WebAssembly alone: from the start of its process to the first answer, and its memory at rest.

The whole agent is measured as it is installed on a node: a hub beside it, the release verified and activated once, then
started again and again from its state directory. The agent finds what ``pip install 'skerry[wasm]'`` brings: numpy,
which this environment has, is hidden from it.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import REPOSITORY
from benchmarks.rows import Row, figure
from benchmarks.subjects import DIGITS, Subject, digits
from compiler.compile import compile_bundle
from compiler.progress import Silent
from compiler.request import CompileRequest
from edge_agent.status import read_run_file
from edge_bundle.errors import NotFoundError
from hardware_profiles.loader import load_profile
from skerry.demo.act1_compile import make_keys
from skerry.demo.act3_fleet import open_hub, publish_bundle, roll_out, start_agent
from skerry.demo.processes import Crew
from skerry.demo.workplace import OWNERS, AgentPlan, Workplace
from skerry.git_commit import commit_of

NODE = AgentPlan("node", "wasm-simd128", "bench")

FIRST_ANSWER_GOAL_S = 0.6
IDLE_GOAL_MIB = 60.0

REST_S = 3.0
"""Polls and telemetry have run a few times by then."""

POLL_S = 0.005

_WITHOUT_NUMPY = "import runpy, sys; sys.modules['numpy'] = None; runpy.run_module('skerry', run_name='__main__')"

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
KIB_PER_MIB = 1024


@dataclass(frozen=True)
class Start:
    """One start: seconds until the first answer, and resident memory at rest in MiB."""

    first_answer_s: float
    idle_mib: float


def measure_starts(count: int, advance: Callable[[], None], *, rest_s: float = REST_S) -> list[Start]:
    """Set a node up, then start its agent ``count`` times; ``advance`` is called after each.

    Raises:
        RuntimeError: an agent did not answer in time, or ended.

    """
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as folder:
        place = Workplace(Path(folder), DIGITS, Silent())
        return asyncio.run(_starts(place, count, advance, rest_s))


def start_rows(starts: list[Start]) -> list[Row]:
    """Medians as rows."""
    answer = statistics.median(one.first_answer_s for one in starts)
    idle = statistics.median(one.idle_mib for one in starts)
    return [
        figure("agent.wasm.first_answer", answer, "s", FIRST_ANSWER_GOAL_S),
        figure("agent.wasm.idle_rss", idle, "MiB", IDLE_GOAL_MIB),
    ]


async def _starts(place: Workplace, count: int, advance: Callable[[], None], rest_s: float) -> list[Start]:
    make_keys(place)
    bundle = compile_bundle(_request(place), progress=Silent()).bundle_dir
    found = []
    with Crew(place.logs) as crew:
        async with open_hub(place, crew) as hub:
            await start_agent(place, crew, hub, NODE, hub.url)
            release = await publish_bundle(place, hub, bundle)
            await roll_out(place, crew, hub, (release.model, release.version), site=NODE.site, nodes=1)
            crew.stop(NODE.name)
            await asyncio.to_thread(_start, place.root / NODE.name, 0.0)  # writes the bytecode
            for _ in range(count):
                found.append(await asyncio.to_thread(_start, place.root / NODE.name, rest_s))
                advance()
    return found


def _request(place: Workplace) -> CompileRequest:
    return CompileRequest(
        model_path=DIGITS / "digits.onnx",
        contract_path=DIGITS / "contract.toml",
        calibration_path=None,
        evaluation_path=DIGITS / "evaluation.npz",
        profiles=(load_profile(NODE.profile),),
        out_dir=place.root / "bundle",
        keys=place.signing_keys(*OWNERS),
        git_commit=commit_of(DIGITS),
    )


def _start(home: Path, rest_s: float) -> Start:
    subject, began = digits(), time.perf_counter()
    with _agent(home) as child:
        while not _answers(home, subject):
            if child.poll() is not None or time.perf_counter() - began > START_TIMEOUT_S:
                raise RuntimeError(f"expected an answer within {START_TIMEOUT_S:g} s, got status {child.poll()}")
            time.sleep(POLL_S)
        taken = time.perf_counter() - began
        time.sleep(rest_s)
        return Start(taken, resident_mib(child.pid))


@contextmanager
def _agent(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", _WITHOUT_NUMPY, "agent", "run", "--config", str(home / "agent.toml")]
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=REPOSITORY, env=_installed(home)
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _installed(home: Path) -> dict[str, str]:
    """An installed package has its bytecode beside it; a checkout may have none, so this one gets a place for it."""
    return {**os.environ, "PYTHONPYCACHEPREFIX": str(home / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}


def _answers(home: Path, subject: Subject) -> bool:
    rule = subject.contract.inputs[0]
    data = [0.0] * math.prod(subject.input_shape)
    body = {"inputs": [{"name": rule.name, "shape": subject.input_shape, "datatype": rule.dtype, "data": data}]}
    try:
        run = read_run_file(home / "state")
        connection = http.client.HTTPConnection(run.host, run.port, timeout=START_TIMEOUT_S)
        connection.request("POST", subject.path, json.dumps(body), {"Content-Type": "application/json"})
        status = connection.getresponse().status
        connection.close()
    except (NotFoundError, OSError, http.client.HTTPException):
        return False
    return status == http.HTTPStatus.OK


def resident_mib(pid: int) -> float:
    """Resident memory of a process, in MiB (``VmRSS`` of proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return kib / KIB_PER_MIB
