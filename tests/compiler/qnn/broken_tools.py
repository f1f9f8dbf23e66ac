"""Stand-ins for the vendor's compiler that go wrong, each in its own way; ``python -m`` runs them as the real one."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from compiler.qnn.job import CONTEXT_FILE, REPORT_FILE
from tests.edge_runtime.qnn.contexts import context_node, wrapper


def crash(folder: Path) -> None:
    sys.stderr.write("unhandled op in prepare\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(folder: Path) -> None:
    time.sleep(600)


def fall_back(folder: Path) -> None:
    (folder / REPORT_FILE).write_text('{"nodes": []}')
    sys.stdout.write(
        "[W:onnxruntime:, qnn_execution_provider.cc:290 ParseHtpArchitecture] Invalid HTP architecture: 99"
    )


def stay_silent(folder: Path) -> None:
    sys.stdout.write("done\n")


def take_nothing(folder: Path) -> None:
    (folder / REPORT_FILE).write_text('{"nodes": [["CPUExecutionProvider", "Erf", "e"]]}')


def refuse(folder: Path) -> None:
    (folder / REPORT_FILE).write_text('{"error": "Failed to finalize QNN graph"}')


def write_nonsense(folder: Path) -> None:
    (folder / REPORT_FILE).write_text('{"nodes": []}')
    (folder / CONTEXT_FILE).write_bytes(b"not a model")


def another_device(folder: Path) -> None:
    (folder / REPORT_FILE).write_text('{"nodes": []}')
    note = "v2:6:2.51.0:5.51.0:68:0:0:0"
    (folder / CONTEXT_FILE).write_bytes(wrapper(context_node(), note=note).SerializeToString())


WAYS: dict[str, Callable[[Path], None]] = {
    "crash": crash,
    "hang": hang,
    "fall_back": fall_back,
    "stay_silent": stay_silent,
    "take_nothing": take_nothing,
    "refuse": refuse,
    "write_nonsense": write_nonsense,
    "another_device": another_device,
}

if __name__ == "__main__":
    WAYS[os.environ["SKERRY_TEST_WAY"]](Path(sys.argv[1]))
