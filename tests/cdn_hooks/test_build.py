"""The hook builder: settings from a verified release, the files it writes, what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cdn_hooks.build import build_hook
from cdn_hooks.settings import cache_decision, check_origin
from cdn_hooks.targets import TARGETS
from cdn_hooks.workers.render import MODULES
from edge_bundle.contract import CachePolicy, Contract, Privacy, Reuse
from edge_bundle.contract_file import parse_contract
from edge_bundle.errors import ConflictError, InvalidInputError
from edge_bundle.manifest import NumericClass
from edge_bundle.walk import VerifiedRelease
from tests.cdn_hooks.releases import PROFILE, make_release

ORIGIN = "http://agent.example:8080"

CONTRACT = parse_contract(
    """
    schema = 1
    name = "digits"
    version = "1.0.0"
    owner = "tests"
    inputs = [{ name = "image", dtype = "FP32", shape = [-1, 1, 8, 8] }]
    outputs = [{ name = "probabilities", dtype = "FP32", shape = [-1, 10] }]
    accuracy = { output = "probabilities" }
    limits = { max_batch = 8, max_body_bytes = 65536 }
    cache = { ttl_s = 60.0, reuse = "cdn" }
    """,
    file="contract.toml",
)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> VerifiedRelease:
    return make_release(tmp_path_factory.mktemp("bundle") / "layout", CONTRACT, b"an artifact that is never run")


def _build(release: VerifiedRelease, out: Path, *, force: bool = False, **changes: str) -> dict[str, bytes]:
    arguments = {"target": "workers", "profile": PROFILE, "origin": ORIGIN} | changes
    built = build_hook(release, out_dir=out, force=force, **arguments)  # type: ignore[arg-type]
    return {name: (out / name).read_bytes() for name in built.files}


def test_same_release_gives_same_bytes(release: VerifiedRelease, tmp_path: Path) -> None:
    assert _build(release, tmp_path / "a") == _build(release, tmp_path / "b")


def test_config_holds_contract_and_digests(release: VerifiedRelease, tmp_path: Path) -> None:
    text = _build(release, tmp_path)["config.js"].decode()
    config = json.loads(text.removeprefix("export default ").removesuffix(";\n"))
    variant = release.variants[PROFILE]
    assert config["variant_digest"] == variant.variant_digest
    assert config["model_digest"] == variant.manifest.model_digest
    assert config["contract_digest"] == variant.manifest.contract_digest
    assert config["inputs"] == [{"name": "image", "dtype": "FP32", "shape": [-1, 1, 8, 8]}]
    assert config["outputs"] == [{"name": "probabilities", "dtype": "FP32"}]
    assert (config["max_batch"], config["max_body_bytes"]) == (8, 65536)
    assert config["cache"] == {"enabled": True, "reason": "", "scope": variant.variant_digest, "ttl_ms": 60_000}


def test_every_import_is_among_the_files(release: VerifiedRelease, tmp_path: Path) -> None:
    files = _build(release, tmp_path)
    for name in MODULES:
        for imported in re.findall(r'from "(.*?)"', files[name].decode()):
            assert imported.removeprefix("./") in files, f"{name} imports {imported}"
            assert f'name = "{imported.removeprefix("./")}"' in files["config.capnp"].decode()


def test_an_earlier_build_is_replaced_and_other_files_beside_it_stay(release: VerifiedRelease, tmp_path: Path) -> None:
    _build(release, tmp_path, origin="http://old.example")
    (tmp_path / "notes.txt").write_text("mine")
    files = _build(release, tmp_path)
    assert b"old.example" not in files["config.js"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("notes.txt", "mine", id="other-files"),
        pytest.param("config.js", "module.exports = {}", id="a-config-of-something-else"),
        pytest.param("config.js", 'export default {"schema": 1};\n', id="settings-of-no-hook"),
        pytest.param("config.js/x", "mine", id="a-folder-of-that-name"),
    ],
)
def test_a_folder_with_other_files_is_refused_unless_forced(
    release: VerifiedRelease, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConflictError) as caught:
        _build(release, tmp_path)
    assert "--force" in caught.value.advice
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / name).read_text() == content


def test_force_writes_among_other_files(release: VerifiedRelease, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "worker.js" in _build(release, tmp_path, force=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("changes", "key", "expected"),
    [
        pytest.param({"target": "fastly"}, "--target", "one of workers", id="unknown-target"),
        pytest.param({"profile": "npu"}, "--profile", f"one of {PROFILE}", id="unknown-profile"),
        pytest.param({"origin": "agent:80"}, "--origin", "an http or https URL of a host and port", id="no-scheme"),
    ],
)
def test_wrong_options_are_named(
    release: VerifiedRelease, tmp_path: Path, changes: dict[str, Any], key: str, expected: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        _build(release, tmp_path / "out", **changes)
    assert (caught.value.key, caught.value.expected) == (key, expected)
    assert not (tmp_path / "out").exists()


def test_out_dir_that_is_a_file_is_refused(release: VerifiedRelease, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("precious")
    with pytest.raises(InvalidInputError, match="expected a directory"):
        _build(release, out)
    assert out.read_text() == "precious"


@pytest.mark.parametrize(
    ("origin", "want"),
    [
        pytest.param("http://127.0.0.1:8080/", "http://127.0.0.1:8080", id="slash-dropped"),
        pytest.param("https://agent.example", "https://agent.example", id="default-port"),
        pytest.param("http://[::1]:8080", "http://[::1]:8080", id="ipv6"),
    ],
)
def test_origins(origin: str, want: str) -> None:
    assert check_origin(origin) == want


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("ftp://agent", id="scheme"),
        pytest.param("http://", id="no-host"),
        pytest.param("http://agent:port", id="port-no-number"),
        pytest.param("http://agent:70000", id="port-too-large"),
        pytest.param("http://agent/path", id="path"),
        pytest.param("http://agent?q", id="query"),
        pytest.param("http://user:secret@agent", id="credentials"),
        pytest.param('http://a"), evil = ("', id="capnp-injection"),
        pytest.param("http://agent\nx", id="newline"),
    ],
)
def test_wrong_origins(origin: str) -> None:
    with pytest.raises(InvalidInputError):
        check_origin(origin)


@pytest.mark.parametrize(
    ("numeric_class", "cache", "sensitive", "enabled", "scope"),
    [
        pytest.param("portable-exact", CachePolicy(), False, True, "portable-exact:sha256:v", id="portable"),
        pytest.param("host-exact", CachePolicy(reuse=Reuse.CDN), False, True, "sha256:v", id="host-cdn"),
        pytest.param("host-exact", CachePolicy(), False, False, "sha256:v", id="host-node"),
        pytest.param("portable-exact", CachePolicy(enabled=False), False, False, "portable-exact:sha256:v", id="off"),
        pytest.param("portable-exact", CachePolicy(), True, False, "portable-exact:sha256:v", id="sensitive"),
        pytest.param(
            "approximate",
            CachePolicy(reuse=Reuse.CDN, allow_approximate=True),
            False,
            False,
            "sha256:v",
            id="approximate-never-in-the-cdn",
        ),
    ],
)
def test_who_may_be_cached(numeric_class: str, cache: CachePolicy, sensitive: bool, enabled: bool, scope: str) -> None:
    contract: Contract = msgspec.structs.replace(CONTRACT, cache=cache, privacy=Privacy(sensitive=sensitive))
    decision = cache_decision(contract, NumericClass(numeric_class), "sha256:v")
    assert (decision.enabled, decision.scope) == (enabled, scope)
    assert bool(decision.reason) is not enabled


def test_targets_are_documented_by_name() -> None:
    assert list(TARGETS) == ["workers"]
