"""Exit codes: one table from the error tree, so that scripts can act on what went wrong."""

from __future__ import annotations

import enum
import errno

from edge_bundle.errors import (
    ContractNotMetError,
    EngineError,
    GoldenMismatchError,
    RefusedError,
    RemoteError,
    SkerryError,
    UnavailableError,
    VerificationError,
)


class ExitCode(enum.IntEnum):
    """What the process ends with; 2, 130 and 143 are the shell's own conventions, 70 is EX_SOFTWARE of sysexits.h."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    BAD_INPUT = 3
    REFUSED = 4
    UNAVAILABLE = 5
    CONTRACT_NOT_MET = 6
    INTERNAL = 70
    INTERRUPTED = 130
    TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM came: everything is put away as at Ctrl-C."""


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.CHECK_FAILED: "a check that was asked for came out negative",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.BAD_INPUT: "a file, model or name given is wrong or missing",
    ExitCode.REFUSED: "verification or permission was refused",
    ExitCode.UNAVAILABLE: "a hub, port, disk or runtime is unavailable; the same call may work later",
    ExitCode.CONTRACT_NOT_MET: "a compiled variant does not keep the contract",
    ExitCode.INTERNAL: "a fault of Skerry itself",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.TERMINATED: "terminated (SIGTERM)",
}

_BY_ERROR: dict[type[BaseException], ExitCode] = {
    VerificationError: ExitCode.REFUSED,
    RefusedError: ExitCode.REFUSED,
    UnavailableError: ExitCode.UNAVAILABLE,
    ContractNotMetError: ExitCode.CONTRACT_NOT_MET,
    GoldenMismatchError: ExitCode.CHECK_FAILED,
    EngineError: ExitCode.UNAVAILABLE,
    SkerryError: ExitCode.BAD_INPUT,
    TimeoutError: ExitCode.UNAVAILABLE,
    ConnectionError: ExitCode.UNAVAILABLE,
    KeyboardInterrupt: ExitCode.INTERRUPTED,
}

_BUSY = frozenset({
    errno.EADDRINUSE, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EHOSTUNREACH, errno.ENETUNREACH,
})  # fmt: skip
_BAD_PATH = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EEXIST})


def exit_code_of(error: BaseException) -> ExitCode:
    """The code for an error: the entry of its nearest ancestor, or the kind of operating system error.

    What a hub refused counts as the error that the hub itself named.
    """
    kind = _kind_named(error.remote_name) if isinstance(error, RemoteError) else type(error)
    for ancestor in kind.__mro__:
        if ancestor in _BY_ERROR:
            return _BY_ERROR[ancestor]
    if isinstance(error, OSError) and error.errno in _BUSY:
        return ExitCode.UNAVAILABLE
    if isinstance(error, OSError) and error.errno in _BAD_PATH:
        return ExitCode.BAD_INPUT
    return ExitCode.INTERNAL


def _kind_named(name: str) -> type[SkerryError]:
    todo: list[type[SkerryError]] = [SkerryError]
    while todo:
        kind = todo.pop()
        if kind.__name__ == name:
            return kind
        todo += kind.__subclasses__()
    return RefusedError
