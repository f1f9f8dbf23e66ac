"""The same inputs give the same bytes: across runs, processes, hash seeds, folders and core counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from compiler.compile import CompileResult, compile_bundle
from tests.compiler.conftest import PROFILES
from tests.compiler.models import ROOT, classifier_job, digits_request, verified

CHILD = """
import json, os, sys
from pathlib import Path
from compiler.compile import compile_bundle
from edge_bundle.layout import Layout
from edge_bundle.release_documents import parse_release_index
from tests.compiler.models import digits_request
if sys.argv[2] == "one core":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
result = compile_bundle(digits_request(Path(sys.argv[1]), *sys.argv[3:]))
with Layout.open(result.bundle_dir) as layout:
    provenance = parse_release_index(layout.index).provenance.digest
bom = result.ml_bom_path.read_text()
print(json.dumps([result.bundle_digest, [v.proof.variant_digest for v in result.variants], provenance, bom]))
"""


def _compile(folder: Path, seed: str, cores: str) -> list[object]:
    command = [sys.executable, "-c", CHILD, str(folder / "bundle"), cores, *PROFILES]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    child = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, env=environment, timeout=100)
    assert child.returncode == 0, child.stderr.decode()
    found: list[object] = json.loads(child.stdout)
    return found


def test_two_processes_agree_with_this_one(tmp_path: Path, digits: CompileResult) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "some where else").mkdir()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(_compile, tmp_path / "a", "1", "all cores")
        two = pool.submit(_compile, tmp_path / "some where else", "4242", "one core")
    assert one.result() == two.result()
    assert one.result()[:2] == [digits.bundle_digest, [v.proof.variant_digest for v in digits.variants]]


def test_a_process_that_compiled_before_gives_the_same(tmp_path: Path, digits: CompileResult) -> None:
    """OpenVINO numbers nameless operations with a counter of the process."""
    compile_bundle(classifier_job(tmp_path, profiles=("openvino-int8",)))
    again = compile_bundle(digits_request(tmp_path / "again", *PROFILES))
    assert again.bundle_digest == digits.bundle_digest


def test_layer_names_of_openvino_are_distinct(digits: CompileResult) -> None:
    for profile in ("openvino-fp32", "openvino-int8"):
        xml = verified(digits.bundle_dir).variants[profile].files["model.xml"]
        names = [layer.attrib["name"] for layer in ET.fromstring(xml).iter("layer")]
        assert len(set(names)) == len(names)


def test_nothing_of_this_machine_is_inside(digits: CompileResult) -> None:
    held = b"".join(path.read_bytes() for path in (digits.bundle_dir / "blobs/sha256").iterdir())
    assert str(digits.bundle_dir.parent).encode() not in held
    assert b"skerry-" not in held
