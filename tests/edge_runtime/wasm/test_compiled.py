"""The node's compiled modules: kept, found again, and never run when anybody else may have written them."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import wasmtime

from edge_bundle.errors import EngineError
from edge_runtime.compiled_code import KEY_BYTES, KEY_FILE, MAX_CACHE_BYTES, SUFFIXES, CompiledCode
from edge_runtime.factory import open_engine
from edge_runtime.wasm import compiled
from edge_runtime.wasm.compiled import RUNTIME, CompiledCache, entry_key
from edge_runtime.wasm.runtime import wasmtime_engine
from tests.edge_runtime.wasm.modules import artifact, expected, info, module, rows, source, standalone

SUFFIX = SUFFIXES[RUNTIME]
ENGINE = wasmtime_engine(relaxed_simd=False)
KEY = entry_key(b"seal", info().weights.digest, relaxed_simd=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "compiled"


def cache_in(folder: Path, *, max_bytes: int = MAX_CACHE_BYTES) -> CompiledCache:
    return CompiledCache(CompiledCode(folder, RUNTIME, max_bytes=max_bytes))


def compile_one() -> wasmtime.Module:
    return wasmtime.Module(ENGINE, standalone())


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def only(folder: Path) -> Path:
    (path,) = entries(folder)
    return path


def filled(folder: Path) -> Path:
    cache_in(folder).store(KEY, compile_one())
    return only(folder)


def found(folder: Path, key: str = KEY) -> bool:
    return cache_in(folder).load(ENGINE, key) is not None


def test_what_is_kept_is_found_and_private(folder: Path) -> None:
    path = filled(folder)
    assert found(folder)
    modes = {item.name: item.stat().st_mode & 0o777 for item in (folder, path, folder / KEY_FILE)}
    assert modes == {folder.name: 0o700, path.name: 0o600, KEY_FILE: 0o600}
    assert not found(folder, KEY[::-1])


def test_the_engine_compiles_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> None:
        with open_engine(source(artifact(1, 4), cache_dir=folder)) as engine:
            assert engine.run({"x": rows(5)}) == {"y": expected(rows(5))}

    run()
    assert len(entries(folder)) == 2
    monkeypatch.setattr("edge_runtime.wasm.program._compile", None)
    run()


def test_kept_code_needs_no_weights_but_their_length(folder: Path) -> None:
    """The code was compiled with weights of the declared digest, so those are what answers."""
    open_engine(source(cache_dir=folder)).close()
    other = {"b1.wasm": module(), "weights.bin": bytes(16)}
    with open_engine(source(other, cache_dir=folder)) as engine:
        assert engine.run({"x": rows(1)}) == {"y": expected(rows(1))}
    with pytest.raises(EngineError, match="weights: expected 16 bytes, got 15"):
        open_engine(source(other | {"weights.bin": bytes(15)}, cache_dir=folder))


def test_a_key_for_everything_that_compiled_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(seal: bytes = b"seal", weights: str = "sha256:1", *, relaxed_simd: bool = False) -> str:
        return entry_key(seal, weights, relaxed_simd=relaxed_simd)

    keys = {key(), key(b"other"), key(weights="sha256:2"), key(relaxed_simd=True)}
    for name, value in (("WASMTIME_VERSION", "1"), ("CONFIGURATION", "other"), ("_FORMAT", 2)):
        with monkeypatch.context() as patch:
            patch.setattr(compiled, name, value)
            keys.add(key())
    with monkeypatch.context() as patch:
        patch.setattr(compiled, "host_facts", lambda: "another CPU")
        keys.add(key())
    assert len(keys) == 8
    assert key() in keys


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda path: flip(path, 0), id="first-byte"),
        pytest.param(lambda path: flip(path, path.stat().st_size // 2), id="a-byte-of-code"),
        pytest.param(lambda path: flip(path, -1), id="last-byte"),
        pytest.param(lambda path: os.truncate(path, path.stat().st_size - 1), id="truncated"),
        pytest.param(lambda path: os.truncate(path, 0), id="emptied"),
        pytest.param(lambda path: path.write_bytes(b"not code"), id="replaced"),
        pytest.param(lambda path: path.chmod(0o620), id="writable-by-the-group"),
        pytest.param(lambda path: path.chmod(0o602), id="writable-by-all"),
        pytest.param(lambda path: flip(path.parent / KEY_FILE, 3), id="another-node-s-key"),
        pytest.param(lambda path: (path.parent / KEY_FILE).unlink(), id="no-key"),
        pytest.param(lambda path: (path.parent / KEY_FILE).chmod(0o644), id="key-known-to-others"),
        pytest.param(lambda path: os.truncate(path.parent / KEY_FILE, 0), id="empty-key"),
    ],
)
def test_what_was_tampered_with_is_removed_and_made_again(folder: Path, tamper: object) -> None:
    path = filled(folder)
    assert callable(tamper)
    tamper(path)
    assert not found(folder)
    assert entries(folder) == []
    assert len((folder / KEY_FILE).read_bytes()) == KEY_BYTES
    with open_engine(source(cache_dir=folder)) as engine:
        assert engine.run({"x": rows(1)}) == {"y": expected(rows(1))}
    assert len(entries(folder)) == 1


def test_a_link_is_never_followed(folder: Path, tmp_path: Path) -> None:
    path = filled(folder)
    elsewhere = path.rename(tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    assert not found(folder)
    assert not path.is_symlink()
    assert elsewhere.exists()


def test_a_key_behind_a_link_is_not_used(folder: Path, tmp_path: Path) -> None:
    filled(folder)
    known = tmp_path / "known.key"
    known.write_bytes(bytes(KEY_BYTES))
    (folder / KEY_FILE).unlink()
    (folder / KEY_FILE).symlink_to(known)
    assert not found(folder)
    assert not (folder / KEY_FILE).is_symlink()


def test_one_key_for_all_who_start_at_once(folder: Path) -> None:
    with ThreadPoolExecutor(8) as executor:
        caches = list(executor.map(lambda _: CompiledCode(folder, RUNTIME), range(8)))
    assert len({cache._key for cache in caches}) == 1
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]


def test_code_of_another_module_under_this_name(folder: Path) -> None:
    path = filled(folder)
    path.rename(path.with_name(path.name.replace(KEY, KEY[::-1])))
    assert not found(folder, KEY[::-1])


def test_code_from_another_node(folder: Path, tmp_path: Path) -> None:
    path = filled(folder)
    other = tmp_path / "other"
    cache_in(other)
    shutil.copy(path, other)
    assert not found(other)


def test_code_of_another_configuration_is_refused_by_wasmtime(folder: Path) -> None:
    """The MAC holds, since this node made it, but the engine is set up otherwise."""
    relaxed = wasmtime.Module(wasmtime.Engine(wasmtime.Config()), standalone())
    cache_in(folder).store(KEY, relaxed)
    assert not found(folder)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_may_write_to(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(EngineError, match=r"expected a folder of user .* that nobody else can write to"):
        cache_in(folder)


def test_a_folder_that_is_none(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "real")
    with pytest.raises(EngineError, match="expected a folder of user"):
        cache_in(folder)
    folder.unlink()
    folder.write_text("")
    with pytest.raises(EngineError, match="expected a folder of user"):
        cache_in(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else(folder: Path) -> None:
    path = filled(folder)
    os.chown(path, 12345, -1)
    assert not found(folder)
    os.chown(folder, 12345, -1)
    with pytest.raises(EngineError, match="of user 12345"):
        cache_in(folder)


def test_what_was_used_least_recently_goes_first(folder: Path) -> None:
    module_ = compile_one()
    size = len(module_.serialize())
    cache = cache_in(folder, max_bytes=2 * size + size // 2)
    for number, age in (("a", 300), ("b", 200)):
        cache.store(number * 64, module_)
        (path,) = folder.glob(f"{number * 64}.*")
        os.utime(path, ns=(0, path.stat().st_mtime_ns - age * 10**9))
    assert cache.load(ENGINE, "a" * 64) is not None, "used again, so b is the older one now"
    cache.store("c" * 64, module_)
    assert [path.name[0] for path in entries(folder)] == ["a", "c"]


def test_what_is_too_large_is_not_kept(folder: Path) -> None:
    cache_in(folder, max_bytes=100).store(KEY, compile_one())
    assert entries(folder) == []


def test_what_a_process_that_died_left_goes_too(folder: Path) -> None:
    module_ = compile_one()
    cache = cache_in(folder, max_bytes=len(module_.serialize()) + 100)
    left = folder / "left.tmp"
    left.write_bytes(bytes(1000))
    os.utime(left, ns=(0, 0))
    cache.store(KEY, module_)
    assert not left.exists()
    assert found(folder)


def test_where_no_folder_can_be_made_nothing_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_engine(source(cache_dir=tmp_path / "missing" / "compiled")) as engine:
        assert engine.run({"x": rows(1)}) == {"y": expected(rows(1))}
    assert "compiled code is not kept" in caplog.text
    assert "No such file or directory" in caplog.text


def test_a_full_disk_costs_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    cache = cache_in(folder)
    monkeypatch.setattr(os, "fsync", full)
    cache.store(KEY, compile_one())
    assert "compiled code not kept" in caplog.text
    assert "No space left on device" in caplog.text
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]
