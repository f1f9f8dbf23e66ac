"""Nothing unknown reaches the toolchain, and code for another processor is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bundle.errors import FormatError, InvalidInputError, WrongTargetError
from edge_runtime.qnn.device import Host, check_device
from edge_runtime.qnn.files import Context, ContextIndex, read_index, write_index
from edge_runtime.qnn.target import ARCHITECTURES, SOCS, HtpTarget, htp_target, is_emulated
from hardware_profiles.loader import load_profiles
from hardware_profiles.qualcomm import HTP_ARCHITECTURES, SOC_ID_FILE, htp_arch, soc_id

INDEX = ContextIndex(
    htp_arch="v73",
    soc="SM8550",
    soc_model=43,
    sdk_version="2.51.0",
    contexts=(Context(batch=1, file="b1.onnx"), Context(batch=8, file="b8.onnx")),
)
V73 = HtpTarget("v73", SOCS["SM8550"])

UNKNOWN = {
    "no architecture": ({"soc": "SM8550"}, "options.htp-arch: expected one of v68, v69, v73, v75, v79, v81, got ''"),
    "number": ({"htp-arch": "73", "soc": "SM8550"}, "htp-arch: expected one of v68.* got '73'"),
    "future": ({"htp-arch": "v99", "soc": "SM8550"}, "htp-arch: expected one of v68.* got 'v99'"),
    "no chip": ({"htp-arch": "v75"}, "options.soc: expected one of SM8650, got ''"),
    "unknown chip": ({"htp-arch": "v73", "soc": "SM9999"}, "options.soc: expected one of SM8550.* got 'SM9999'"),
    "chip by number": ({"htp-arch": "v73", "soc": "43"}, "options.soc: expected one of SM8550.* got '43'"),
    "another's chip": (
        {"htp-arch": "v73", "soc": "SM8750"},
        "options.soc: expected a chip with v73, got SM8750, which has v79",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_targets_are_named(name: str) -> None:
    options, message = UNKNOWN[name]
    with pytest.raises(InvalidInputError, match=f"profile p: .*{message}"):
        htp_target(options, where="profile p")


def test_every_profile_names_a_target() -> None:
    profiles = [one for one in load_profiles().values() if one.runtime == "qnn"]
    assert {htp_target(one.options, where=one.name).arch for one in profiles} == set(ARCHITECTURES)
    for one in profiles:
        assert one.match.accelerator == f"qualcomm-htp-{one.options['htp-arch']}"
        assert one.on_request


def test_tables_agree() -> None:
    assert len({soc.model for soc in SOCS.values()}) == len(SOCS)
    assert {soc.arch for soc in SOCS.values()} == set(ARCHITECTURES)
    assert set(HTP_ARCHITECTURES.values()) <= set(ARCHITECTURES)


@pytest.mark.parametrize(
    ("text", "arch"), [("519\n", "v73"), ("498", "v68"), ("1", None), ("-5", None), ("9" * 99, None)]
)
def test_the_chip_of_this_machine(text: str, arch: str | None, tmp_path: Path) -> None:
    (tmp_path / SOC_ID_FILE).parent.mkdir(parents=True)
    (tmp_path / SOC_ID_FILE).write_text(text)
    assert htp_arch(tmp_path) == arch


def test_a_machine_that_says_nothing_of_a_chip(tmp_path: Path) -> None:
    assert soc_id(tmp_path) is None
    assert htp_arch(tmp_path) is None


def test_where_the_emulator_is() -> None:
    assert is_emulated("x86_64")
    assert not is_emulated("aarch64")


RIGHT = {"emulator": Host(emulated=True), "chip": Host(emulated=False, soc_id=519), "its sister": Host(False, 603)}


@pytest.mark.parametrize("name", RIGHT)
def test_code_for_this_device(name: str) -> None:
    check_device(INDEX, V73, RIGHT[name])


WRONG = {
    "another architecture": (V73, Host(False, 618), "expected code for HTP v79, got HTP v73"),
    "unknown chip": (V73, Host(False, 99999), "chip, which has the unknown soc_id 99999, got HTP v73"),
    "no chip": (V73, Host(False), "chip, which has no soc_id, got HTP v73"),
    "another option": (
        HtpTarget("v81", SOCS["SM8850"]),
        Host(True),
        r"expected HTP v81 \(SM8850\), got HTP v73 \(SM8550\)",
    ),
    "another chip of the option": (HtpTarget("v73", SOCS["QCS9100"]), Host(True), r"expected HTP v73 \(QCS9100\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_code_for_another_device(name: str) -> None:
    target, host, message = WRONG[name]
    with pytest.raises(WrongTargetError, match=message):
        check_device(INDEX, target, host)


def test_an_index_is_read_as_it_was_written() -> None:
    assert read_index(write_index(INDEX)) == INDEX


GOOD = write_index(INDEX).decode()

BAD_INDEX = {
    "no JSON": ("{", "an index of contexts"),
    "unknown key": (GOOD.replace('"soc"', '"library": "/tmp/x.so", "soc"'), "unknown field `library`"),
    "path": (GOOD.replace("b1.onnx", "../b1.onnx"), "an index of contexts"),
    "absolute path": (GOOD.replace("b1.onnx", "/b1.onnx"), "an index of contexts"),
    "batch 0": (GOOD.replace('"batch": 1', '"batch": 0'), "an index of contexts"),
    "file of another batch": (GOOD.replace("b1.onnx", "b2.onnx"), "expected b1.onnx, got b2.onnx"),
    "batch twice": (GOOD.replace('"batch": 8', '"batch": 1'), "batch sizes in order, each once"),
    "no contexts": (GOOD.partition('"contexts"')[0] + '"contexts": []}', "an index of contexts"),
    "future schema": (GOOD.replace('"schema": 1', '"schema": 2'), "an index of contexts"),
    "too long": (GOOD + " " * (64 << 10), "at most 65536 bytes"),
}


@pytest.mark.parametrize("name", BAD_INDEX)
def test_bad_index(name: str) -> None:
    text, message = BAD_INDEX[name]
    assert text != GOOD
    with pytest.raises(FormatError, match=message):
        read_index(text.encode())
