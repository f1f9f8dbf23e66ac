"""What the agent is before it serves: light imports, a profile, log lines."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from edge_agent.logs import MAX_MESSAGE_CHARS, configure
from edge_agent.profile import choose_profile
from edge_bundle.errors import NotFoundError
from hardware_profiles.detect import detect
from hardware_profiles.machine import Machine

HEAVY_MODULES = ("numpy", "onnx", "onnxruntime", "openvino", "sqlalchemy", "compiler", "fleet_hub")


def test_the_agent_starts_without_numpy_and_runtimes() -> None:
    code = f"import sys, edge_agent.daemon; print([m for m in {HEAVY_MODULES!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_auto_takes_a_profile_that_fits_this_machine() -> None:
    machine = detect()
    assert choose_profile("auto", machine).runtime in machine.runtimes


def test_a_named_profile_is_taken_as_it_is() -> None:
    assert choose_profile("cpu-int8", detect()).name == "cpu-int8"


def test_a_wrong_name_is_told_the_known_ones() -> None:
    with pytest.raises(NotFoundError) as caught:
        choose_profile("cpu-fp23", detect())
    assert "cpu-fp32" in caught.value.advice


def test_a_machine_that_nothing_fits_is_told_why() -> None:
    bare = Machine(arch="pdp11", os="unix", kernel="v7", cpu="PDP-11/70")
    with pytest.raises(NotFoundError) as caught:
        choose_profile("auto", bare)
    assert "needs arch" in caught.value.advice


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    buffer = io.StringIO()
    configure(buffer)
    yield buffer
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("edge_agent").setLevel(logging.NOTSET)


def test_a_log_record_is_one_line_of_json(stream: io.StringIO) -> None:
    log = logging.getLogger("edge_agent.test")
    log.info("first\nsecond %s", "third")
    try:
        int("broken")
    except ValueError:
        log.exception("x" * (MAX_MESSAGE_CHARS + 100))
    logging.getLogger("aiohttp").info("not heard")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("info", "edge_agent.test", "first\nsecond third")
    assert first["at"].endswith("Z")
    assert len(second["message"]) == MAX_MESSAGE_CHARS
    assert "ValueError: invalid literal" in second["error"]
