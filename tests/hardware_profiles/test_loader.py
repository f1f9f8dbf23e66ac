"""Profile files: those that come with Skerry, extra folders, and every way to get one wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bundle.errors import InvalidInputError, LimitExceededError, NotFoundError
from edge_bundle.manifest import Precision
from hardware_profiles.contenders import contenders
from hardware_profiles.loader import MAX_PROFILE_BYTES, load_profile, load_profiles
from hardware_profiles.schema import Activations

GOOD = """\
schema = 1
name = "kiosk"
title = "Kiosk board"
runtime = "onnxruntime"
precision = "int8"
numeric_class = "host-exact"
threads = 2

[match]
arch = ["aarch64"]
"""


def write(folder: Path, text: str, name: str = "kiosk.toml") -> Path:
    (folder / name).write_text(text)
    return folder


def test_packaged_profiles() -> None:
    profiles = load_profiles()
    found = {name: (profile.runtime, profile.precision, profile.numeric_class) for name, profile in profiles.items()}
    wanted = {
        "cpu-aarch64-dotprod": ("onnxruntime", "int8", "host-exact"),
        "cpu-fp32": ("onnxruntime", "fp32", "host-exact"),
        "cpu-int8": ("onnxruntime", "int8", "host-exact"),
        "cpu-w4": ("onnxruntime", "w4", "host-exact"),
        "cpu-w8": ("onnxruntime", "w8", "host-exact"),
        "cpu-x86_64-avx2": ("onnxruntime", "int8", "host-exact"),
        "cpu-x86_64-vnni": ("onnxruntime", "int8", "host-exact"),
        "openvino-fp32": ("openvino", "fp32", "host-exact"),
        "openvino-int8": ("openvino", "int8", "host-exact"),
        "openvino-npu": ("openvino", "int8", "approximate"),
        "wasm-relaxed-simd": ("wasm", "int8", "host-exact"),
        "wasm-simd128": ("wasm", "fp32", "portable-exact"),
        "wasm-simd128-int8": ("wasm", "int8", "portable-exact"),
    }
    assert {name: found[name] for name in wanted} == wanted
    assert all(profile.name == name for name, profile in profiles.items())


@pytest.mark.parametrize("name", ["cpu-x86_64-vnni", "cpu-x86_64-avx2", "cpu-aarch64-dotprod"])
def test_a_race_is_between_three_runtimes_and_two_precisions(name: str) -> None:
    profile = load_profile(name)
    field = [(one.runtime, one.precision.value) for one in (profile, *contenders(profile))]
    assert sorted(field) == [(r, p) for r in ("litert", "onnxruntime", "openvino") for p in ("fp32", "int8")]
    assert field[0] == ("onnxruntime", "int8"), "the profile's own comes first"
    assert {one.name for one in contenders(profile)} == {name}
    litert = next(one for one in contenders(profile) if (one.runtime, one.precision) == ("litert", Precision.INT8))
    assert (litert.activations, litert.options) == (Activations.INT8_ASYMMETRIC, {})


def test_without_vnni_int8_kernels_are_exact() -> None:
    assert load_profile("cpu-x86_64-avx2").options["int8-kernels"] == "exact"
    assert "int8-kernels" not in load_profile("cpu-x86_64-vnni").options


def test_only_the_relaxed_profile_allows_relaxed_instructions() -> None:
    options = {name: profile.options.get("relaxed-simd") for name, profile in load_profiles().items()}
    assert options["wasm-relaxed-simd"] == "on"
    assert options["wasm-simd128"] == options["wasm-simd128-int8"] == "off"


def test_an_extra_folder_adds_profiles(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a profile")
    profiles = load_profiles([write(tmp_path, GOOD)])
    assert set(profiles) == {*load_profiles(), "kiosk"}
    assert profiles["kiosk"].precision is Precision.INT8
    assert profiles["kiosk"].match.arch == ("aarch64",)
    assert load_profile("kiosk", [tmp_path]) == profiles["kiosk"]


def test_an_unknown_profile_gets_a_suggestion() -> None:
    with pytest.raises(NotFoundError, match="no hardware profile named 'cpu-fp23'") as caught:
        load_profile("cpu-fp23")
    assert "did you mean 'cpu-fp32'" in caught.value.advice


@pytest.mark.parametrize(
    ("text", "key", "expected", "got"),
    [
        pytest.param(
            GOOD + 'cpu_flag = ["x"]\n', "match.cpu_flag", "a key of the hardware profile", "unknown", id="unknown-key"
        ),
        pytest.param(GOOD.replace("threads = 2", 'threads = "2"'), "threads", "a whole number", "'2'", id="wrong-type"),
        pytest.param(GOOD.replace("threads = 2", "threads = 0"), "threads", ">= 1", "0", id="no-threads"),
        pytest.param(GOOD.replace('"int8"', '"int4"'), "precision", "one of fp32, int8", "'int4'", id="precision"),
        pytest.param(GOOD.replace("schema = 1", "schema = 2"), "schema", "<= 1", "2", id="newer-schema"),
        pytest.param(GOOD.replace('title = "Kiosk board"\n', ""), "title", "a value", "no such key", id="missing-key"),
        pytest.param(GOOD.replace('"aarch64"', '"ARM 64"'), "match.arch[0]", "a name", "'ARM 64'", id="upper-case"),
        pytest.param(
            GOOD.replace('"kiosk"', '"other"'), "name", "'kiosk', as the file is called", "'other'", id="name"
        ),
        pytest.param("schema = ", "", "TOML", "an error", id="not-toml"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(tmp_path: Path, text: str, key: str, expected: str, got: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load_profiles([write(tmp_path, text)])
    error = caught.value
    assert error.file == str(tmp_path / "kiosk.toml")
    assert error.key == key
    assert expected in error.expected
    assert got in error.got


def test_a_taken_name_is_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace('"kiosk"', '"cpu-fp32"'), "cpu-fp32.toml")
    with pytest.raises(InvalidInputError, match="a name that no other profile has"):
        load_profiles([tmp_path])


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"gone: expected a readable folder of profiles, got No such file"):
        load_profiles([tmp_path / "gone"])


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(InvalidInputError, match=r"folder\.toml: expected a readable file, got Is a directory"):
        load_profiles([tmp_path])


def test_bytes_that_are_not_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "kiosk.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(InvalidInputError, match="expected UTF-8 text, got byte 0xff at offset 9"):
        load_profiles([tmp_path])


def test_an_oversized_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    with pytest.raises(LimitExceededError):
        load_profiles([write(tmp_path, "#" * (MAX_PROFILE_BYTES + 1))])
