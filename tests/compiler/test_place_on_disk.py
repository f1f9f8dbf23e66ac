"""A bundle's place on disk: what is replaced, what is kept when a compile fails, and whose disk is full."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.compile import compile_bundle
from compiler.passes import package
from compiler.publishing.publish import staging_dir
from edge_bundle.errors import (
    ConflictError,
    ContractNotMetError,
    UnavailableError,
)
from tests.compiler.models import classifier_job, contract_text, verified


def test_another_bundle_is_replaced_only_by_force(tmp_path: Path) -> None:
    request = classifier_job(tmp_path)
    first = compile_bundle(request)
    with pytest.raises(ConflictError, match="got an older bundle") as refusal:
        compile_bundle(request)
    assert "--force" in refusal.value.advice
    again = compile_bundle(replace(request, force=True))
    assert again.bundle_digest == first.bundle_digest
    verified(request.out_dir)


@pytest.mark.parametrize("force", [False, True])
def test_other_things_are_never_replaced(tmp_path: Path, force: bool) -> None:
    request = replace(classifier_job(tmp_path), force=force)
    request.out_dir.mkdir()
    (request.out_dir / "thesis.tex").write_text("ten years of work")
    with pytest.raises(ConflictError, match="got something that is not a bundle"):
        compile_bundle(request)
    assert (request.out_dir / "thesis.tex").read_text() == "ten years of work"


def test_a_failed_compile_keeps_the_older_bundle(tmp_path: Path) -> None:
    request = classifier_job(tmp_path)
    first = compile_bundle(request)
    contract = contract_text(inputs={"x": (-1, 4)}, outputs={"y": (-1, 3)}, extra="[latency]\np99_ms = 0.000001")
    request.contract_path.write_text(contract)
    with pytest.raises(ContractNotMetError):
        compile_bundle(replace(request, force=True))
    assert verified(request.out_dir).bundle_digest == first.bundle_digest


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_a_disk_that_takes_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int) -> None:
    def write_bundle(*_: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(package, "write_bundle", write_bundle)
    request = classifier_job(tmp_path)
    with pytest.raises(UnavailableError) as refusal:
        compile_bundle(request)
    assert str(refusal.value) == f"disk under {request.out_dir.parent} is unavailable: {os.strerror(fault)}"
    assert not staging_dir(request.out_dir).exists()


def test_a_full_disk_under_the_tools_is_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools work in TMPDIR, which is often a small file system of its own."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    real = shutil.disk_usage
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setattr(
        shutil, "disk_usage", lambda place: real(place)._replace(free=0) if place == scratch else real(place)
    )

    def write_bundle(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(package, "write_bundle", write_bundle)
    with pytest.raises(UnavailableError, match=f"disk under {scratch} is unavailable") as refusal:
        compile_bundle(classifier_job(tmp_path))
    assert "TMPDIR" in refusal.value.advice


def test_a_compile_killed_while_it_replaced_a_bundle(tmp_path: Path) -> None:
    """Between its two renames the older bundle is only aside; the next compile finds it, complete, and says so."""
    request = classifier_job(tmp_path)
    first = compile_bundle(request)
    request.out_dir.rename(tmp_path / ".bundle.old")
    staging_dir(request.out_dir).mkdir()
    with pytest.raises(ConflictError, match="got an older bundle"):
        compile_bundle(request)
    assert verified(request.out_dir).bundle_digest == first.bundle_digest
    compile_bundle(replace(request, force=True))
    assert not staging_dir(request.out_dir).exists()
