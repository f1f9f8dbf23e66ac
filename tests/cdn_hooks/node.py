"""Runs the probe of the hook's pure modules under Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.node import node_binary
from cdn_hooks.workers.render import render_workers
from tests.cdn_hooks.samples import sample_settings

HERE = Path(__file__).parent
NODE_TIMEOUT_S = 60.0


def write_probe(directory: Path) -> None:
    """The built hook's modules with the probe beside them."""
    for name, content in render_workers(sample_settings()).items():
        (directory / name).write_bytes(content)
    for name in ("probe.js", "probe_node.js", "probe_worker.js"):
        shutil.copy(HERE / name, directory)


def run_node(directory: Path, cases: dict[str, Any]) -> dict[str, Any]:
    """Results of the probe; skips the test where there is no Node."""
    try:
        node = node_binary()
    except FileNotFoundError as error:
        pytest.skip(f"{error}; the same modules run in workerd in the heavy tests")
    write_probe(directory)
    done = subprocess.run(
        [node, "probe_node.js"],
        cwd=directory,
        input=json.dumps(cases).encode(),
        capture_output=True,
        timeout=NODE_TIMEOUT_S,
        check=True,
    )
    results: dict[str, Any] = json.loads(done.stdout)
    return results
