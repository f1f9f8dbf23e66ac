"""A WebAssembly variant on a node: bit-exact goldens, its compiled code kept in the state directory, no numpy."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_agent.activate import prove
from edge_agent.assembly import COMPILED_FOLDER
from edge_bundle.errors import EngineError, GoldenMismatchError
from edge_bundle.manifest import NumericClass
from tests.edge_agent.wasm_release import wasm_variant
from tests.edge_runtime.wasm.modules import expected, rows
from tests.sim.memory_hub import MemoryHub
from tests.sim.node import make_config, make_node

ROOT = Path(__file__).parents[2]


def test_goldens_of_a_portable_exact_variant_hold_to_the_bit(tmp_path: Path) -> None:
    prove(wasm_variant(tmp_path / "right")).engine.close()
    with pytest.raises(GoldenMismatchError, match=r"output 'y\[0\]': expected bytes 0100803f, got 0000803f"):
        prove(wasm_variant(tmp_path / "wrong", off_by_one_bit=True))


def test_the_contract_s_tolerance_still_holds_for_the_others(tmp_path: Path) -> None:
    variant = wasm_variant(tmp_path, numeric_class=NumericClass.HOST_EXACT, off_by_one_bit=True)
    prove(variant).engine.close()


def test_the_agent_keeps_compiled_code_in_its_state_directory(tmp_path: Path) -> None:
    hub = MemoryHub(time.time)
    config = make_config(tmp_path / "node", hub.tuf.root)
    variant = wasm_variant(tmp_path / "bundle")
    folder = config.state / COMPILED_FOLDER
    kept = []
    for _ in range(2):
        served = make_node(config, hub, time.time).updater.prove(variant)
        assert served.engine.run({"x": rows(5)}) == {"y": expected(rows(5))}
        served.engine.close()
        kept.append({path.name for path in folder.glob("*.cwasm")})
    assert len(kept[0]) == 2, "one file for each batch size"
    assert kept[0] == kept[1]


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "compiled"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(EngineError, match=r"expected a folder of user .* that nobody else can write to") as caught:
        prove(wasm_variant(tmp_path / "bundle"), cache_dir=folder)
    assert "chmod" in caught.value.advice


SERVE = """
import asyncio, json, sys
sys.modules["numpy"] = None  # the import system's way to say "not there"
import edge_agent.daemon
from pathlib import Path
from edge_agent.activate import prove
from tests.edge_agent.serving.world import serving
from tests.edge_agent.wasm_release import wasm_variant

async def go():
    model = prove(wasm_variant(Path(sys.argv[1]) / "bundle"), cache_dir=Path(sys.argv[1]) / "compiled")
    item = {"name": "x", "shape": [3, 4], "datatype": "FP32", "data": list(range(12))}
    async with serving(model) as server:
        for status in ("miss", "hit"):
            reply = await server.send(json.dumps({"inputs": [item]}).encode(), "/v2/models/scale/infer")
            assert status in reply.headers["Cache-Status"], reply.headers
            (y,) = json.loads(reply.body)["outputs"]
            assert y["data"] == [0, -2, 1, 9, 4, -10, 3, 21, 8, -18, 5, 33], y
    assert await model.retire()

asyncio.run(go())
assert sys.modules["numpy"] is None
"""


def test_a_node_without_numpy_serves_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SERVE, str(tmp_path)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
