"""Tools that work, crash, hang, flood and fall back, as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compiler.tool_process import MAX_LOG_BYTES, ToolCall, ToolRun, complaint, matching_line, module_command, run_tool
from edge_bundle.errors import ToolFailedError

CALL = ToolCall(tool="the tool", command=("true",), folder=Path(), timeout_s=60)


def call(tmp_path: Path, script: str, *, timeout_s: float = 60, fallback: tuple[str, ...] = ()) -> ToolCall:
    command = (sys.executable, "-c", script)
    return ToolCall(tool="the tool", command=command, folder=tmp_path, timeout_s=timeout_s, fallback=fallback)


COMPLAINTS = {
    "fine": (ToolRun(status=0, log="done"), ""),
    "hung": (ToolRun(status=None, log=""), "hung: no end within 60 s"),
    "crashed": (ToolRun(status=-11, log=""), "crashed: SIGSEGV"),
    "odd signal": (ToolRun(status=-99, log=""), "crashed: signal 99"),
    "failed": (ToolRun(status=3, log=""), "failed with exit status 3"),
    "fell back": (ToolRun(status=0, log="", fell_back="using the default"), "fell back: using the default"),
    "failed first": (ToolRun(status=1, log="", fell_back="using the default"), "failed with exit status 1"),
}


@pytest.mark.parametrize("name", COMPLAINTS)
def test_complaint(name: str) -> None:
    run, expected = COMPLAINTS[name]
    assert complaint(CALL, run) == expected


def test_first_matching_line() -> None:
    log = "a\n  warning: op Foo runs on the CPU\nfallback to float"
    assert matching_line(log, ("^fallback", "on the CPU$")) == "warning: op Foo runs on the CPU"
    assert matching_line(log, ("nowhere",)) == ""
    assert matching_line(log, ()) == ""
    assert matching_line("", (".*",)) == ""


def test_runs_in_its_folder_and_keeps_the_order_of_what_it_writes(tmp_path: Path) -> None:
    script = (
        "import os, sys; os.write(1, b'out '); os.write(2, b'err '); open('made', 'w').write('x'); os.write(1, b'end')"
    )
    run = run_tool(call(tmp_path, script))
    assert (run.status, run.log, run.left_out) == (0, "out err end", 0)
    assert (tmp_path / "made").read_text() == "x"


FAILURES = {
    "exit status": (
        "import sys; print('no such operator'); sys.exit(7)",
        "failed with exit status 7",
        "no such operator",
    ),
    "traceback": ("raise KeyError('gone')", "failed with exit status 1", "KeyError: 'gone'"),
    "segmentation fault": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed: SIGSEGV", ""),
    "abort": ("import os; print('assertion', flush=True); os.abort()", "crashed: SIGABRT", "assertion"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_named(name: str, tmp_path: Path) -> None:
    script, what, last = FAILURES[name]
    with pytest.raises(ToolFailedError) as caught:
        run_tool(call(tmp_path, script))
    assert caught.value.what == what
    assert last in caught.value.log
    assert str(caught.value) == f"pass lower: the tool {what}" + (f"; its last line: {last}" if last else "")


def test_a_hanging_tool_is_ended_with_its_children(tmp_path: Path) -> None:
    command = ("/bin/sh", "-c", "sleep 600 & echo $!; sleep 600")
    with pytest.raises(ToolFailedError, match="hung: no end within 2 s") as caught:
        run_tool(ToolCall(tool="the tool", command=command, folder=tmp_path, timeout_s=2))
    assert _gone(int(caught.value.log))


def test_a_child_that_outlives_its_tool_is_ended(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True)\n"
    )
    assert _gone(int(run_tool(call(tmp_path, script)).log))


def test_a_flood_is_read_and_its_end_kept(tmp_path: Path) -> None:
    run = run_tool(
        call(tmp_path, "import os\nfor _ in range(400): os.write(1, b'x' * 9999 + b'\\n')\nos.write(1, b'the end')")
    )
    assert len(run.log) == MAX_LOG_BYTES
    assert run.log.endswith("\nthe end")
    assert run.left_out + MAX_LOG_BYTES == 400 * 10_000 + len("the end")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    assert run_tool(call(tmp_path, "import os; os.write(1, b'\\xff\\x00a')")).log == "\ufffd\x00a"


def test_a_fallback_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match="fell back: unknown device x, taking the default"):
        run_tool(call(tmp_path, "print('unknown device x, taking the default')", fallback=("taking the default",)))


def test_a_flood_does_not_hide_a_fallback(tmp_path: Path) -> None:
    script = (
        "import os; os.write(1, b'unknown device x, tak'); os.write(1, b'ing the default\\n')\n"
        "for _ in range(400): os.write(1, b'y' * 9999)"
    )
    with pytest.raises(ToolFailedError, match="fell back: unknown device x, taking the default"):
        run_tool(call(tmp_path, script, fallback=("^unknown.*taking the default$",)))


def test_a_tool_ends_with_a_compile_that_is_killed(tmp_path: Path) -> None:
    """``kill -9`` in the middle of a vendor's tool leaves no orphan that works on without a limit."""
    tool = (sys.executable, "-c", "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)")
    given = f"tool='t', command={tool!r}, folder=Path({str(tmp_path)!r}), timeout_s=600"
    script = f"from pathlib import Path\nfrom compiler.tool_process import *\nrun_tool(ToolCall({given}))"
    with subprocess.Popen((sys.executable, "-c", script), cwd=Path(__file__).parents[2]) as compile_:
        pid = _read_pid(tmp_path / "pid")
        compile_.kill()
    assert _gone(pid)


def test_a_tool_ends_with_a_compile_that_is_interrupted(tmp_path: Path) -> None:
    tool = (sys.executable, "-c", "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)")
    given = f"tool='t', command={tool!r}, folder=Path({str(tmp_path)!r}), timeout_s=600"
    script = f"from pathlib import Path\nfrom compiler.tool_process import *\nrun_tool(ToolCall({given}))"
    command = (sys.executable, "-c", script)
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL) as compile_:
        pid = _read_pid(tmp_path / "pid")
        compile_.send_signal(signal.SIGINT)
    assert _gone(pid)


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match=r"cannot be started in .*none: No such file"):
        run_tool(ToolCall(tool="the tool", command=("true",), folder=tmp_path / "none", timeout_s=1))


def test_a_tool_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match="cannot be started: no /no/such/tool"):
        run_tool(ToolCall(tool="the tool", command=("/no/such/tool",), folder=tmp_path, timeout_s=1))


def test_own_module_in_a_folder_with_a_namesake(tmp_path: Path) -> None:
    (tmp_path / "compiler.py").write_text("raise SystemExit('the wrong one')")
    command = module_command("edge_runtime.one_line", tmp_path)
    assert run_tool(ToolCall(tool="one_line", command=command, folder=tmp_path, timeout_s=60)).status == 0


def _read_pid(path: Path) -> int:
    """What the tool writes once it runs."""
    for _ in range(1200):
        if path.exists() and (text := path.read_text()):
            return int(text)
        time.sleep(0.05)
    raise AssertionError("the tool did not start")


def _gone(pid: int) -> bool:
    """Whether a process has ended, or does so within a few seconds."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False
