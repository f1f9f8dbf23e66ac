"""The root of the command line: the table of verbs and the one place where errors become exit codes."""

from __future__ import annotations

from collections.abc import Sequence

import click

from skerry.exit_codes import MEANINGS, ExitCode, Terminated
from skerry.failures import report
from skerry.verb import Invocation, LazyGroup, verbose_option

VERBS = {
    "compile": "skerry.commands.compile:compile_",
    "inspect": "skerry.commands.inspect:inspect",
    "wasm": "skerry.commands.wasm:wasm",
    "verify": "skerry.commands.verify:verify",
    "bench": "skerry.commands.bench:bench",
    "keys": "skerry.commands.keys:keys",
    "profile": "skerry.commands.profile:profile",
    "toolchain": "skerry.commands.toolchain:toolchain",
    "hub": "skerry.commands.hub:hub",
    "release": "skerry.commands.release:release",
    "rollout": "skerry.commands.rollout:rollout",
    "nodes": "skerry.commands.nodes:nodes",
    "running": "skerry.commands.running:running",
    "telemetry": "skerry.commands.telemetry:telemetry",
    "audit": "skerry.commands.audit:audit",
    "agent": "skerry.commands.agent:agent",
    "hook": "skerry.commands.hook:hook",
    "demo": "skerry.commands.demo:demo",
    "completion": "skerry.commands.completion:completion",
}

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value:>3}  {text}" for code, text in MEANINGS.items())


@click.group(
    name="skerry", cls=LazyGroup, verbs=VERBS, epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)  # fmt: skip
@click.version_option(package_name="skerry", prog_name="skerry")
@verbose_option
def cli() -> None:
    """One trained ONNX model, proven and signed, on every kind of edge machine."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; every error ends in one line on stderr."""
    invocation = Invocation()
    try:
        code = cli.main(arguments, prog_name="skerry", standalone_mode=False, obj=invocation)
    except (click.Abort, KeyboardInterrupt) as end:
        code = ExitCode.TERMINATED if isinstance(end.__cause__ or end, Terminated) else ExitCode.INTERRUPTED
        click.echo(f"skerry: {MEANINGS[code]}", err=True)
        return code
    except Exception as error:  # noqa: BLE001 - the root of the program: nothing may end in a bare trace
        return report(error, verbose=invocation.verbose)
    return code if isinstance(code, int) else ExitCode.OK
