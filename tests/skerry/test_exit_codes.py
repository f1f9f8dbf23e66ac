"""Every error of the tree has an exit code, and the table says which."""

from __future__ import annotations

import errno

import pytest

from edge_bundle import errors
from skerry.exit_codes import MEANINGS, ExitCode, exit_code_of


def _unfilled(kind: type[BaseException]) -> BaseException:
    error = kind.__new__(kind)
    if isinstance(error, errors.RemoteError):
        error.remote_name = "RefusedError"
    return error


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("NotFoundError", 3, id="no such thing at the hub"),
        pytest.param("SignatureError", 4, id="too few signatures"),
        pytest.param("UnavailableError", 5, id="hub asks for patience"),
        pytest.param("NeverHeardOfError", 4, id="an error of a newer hub"),
        pytest.param("annotations", 4, id="a name that is no error"),
    ],
)
def test_code_of_remote_error(name: str, code: int) -> None:
    assert exit_code_of(errors.RemoteError(what="call", remote_name=name, detail="no")) == code


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        pytest.param(errors.InvalidInputError, 3, id="a file that a person wrote"),
        pytest.param(errors.FormatError, 3, id="bytes that a machine wrote"),
        pytest.param(errors.LimitExceededError, 3, id="limit"),
        pytest.param(errors.NotFoundError, 3, id="no such thing"),
        pytest.param(errors.CompileError, 3, id="model that a pass cannot handle"),
        pytest.param(errors.DigestMismatchError, 4, id="flipped byte"),
        pytest.param(errors.SignatureError, 4, id="too few signatures"),
        pytest.param(errors.RollbackError, 4, id="rollback"),
        pytest.param(errors.ExpiredMetadataError, 4, id="freeze"),
        pytest.param(errors.RefusedError, 4, id="permission"),
        pytest.param(errors.UnavailableError, 5, id="hub away"),
        pytest.param(errors.RuntimeMissingError, 5, id="runtime not installed"),
        pytest.param(errors.ContractNotMetError, 6, id="contract not met"),
        pytest.param(errors.GoldenMismatchError, 1, id="golden vectors"),
        pytest.param(KeyboardInterrupt, 130, id="interrupted"),
        pytest.param(ValueError, 70, id="a fault of our own"),
    ],
)
def test_code_of_error(kind: type[BaseException], code: int) -> None:
    assert exit_code_of(_unfilled(kind)) == code


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(errno.ENOENT, 3, id="no such file"),
        pytest.param(errno.EACCES, 3, id="permission denied"),
        pytest.param(errno.EADDRINUSE, 5, id="port in use"),
        pytest.param(errno.ENOSPC, 5, id="disk full"),
        pytest.param(errno.EROFS, 5, id="read-only file system"),
        pytest.param(errno.EBADF, 70, id="anything else is our fault"),
    ],
)
def test_code_of_system_error(number: int, code: int) -> None:
    assert exit_code_of(OSError(number, "text")) == code


def test_every_code_is_explained() -> None:
    assert set(MEANINGS) == set(ExitCode)


def test_no_error_of_the_tree_counts_as_internal() -> None:
    todo = [errors.SkerryError]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        assert exit_code_of(_unfilled(kind)) != ExitCode.INTERNAL, kind
