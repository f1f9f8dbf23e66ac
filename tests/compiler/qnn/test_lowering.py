"""The target: static batches, named refusals, and what goes into the artifact."""

from __future__ import annotations

import importlib.util

import msgspec
import pytest

from compiler.batches import Batches
from compiler.importer.summary import summarise
from compiler.targets.qnn import lower
from compiler.targets.target import TargetJob
from edge_bundle.contract_file import load_contract
from edge_bundle.errors import InvalidInputError, PlacementError, RuntimeMissingError
from edge_bundle.proof import Execution
from edge_runtime.qnn.files import read_index
from hardware_profiles.loader import load_profiles
from hardware_profiles.schema import Profile
from tests.compiler.models import DIGITS
from tests.edge_runtime.qnn import networks
from tests.edge_runtime.qnn.contexts import needs_toolchain

PROFILES = load_profiles()
V73 = PROFILES["qnn-htp-v73"]


def job(model: bytes, profile: Profile = V73, batches: Batches | None = None) -> TargetJob:
    contract = load_contract(DIGITS / "contract.toml")
    return TargetJob(
        graph=summarise(model, stage="test"), profile=profile, contract=contract, batches=batches or Batches()
    )


@needs_toolchain
def test_a_context_for_each_wanted_batch() -> None:
    made = lower(job(networks.quantized(-1), batches=Batches(wanted=(1, 4), offered=(8,))))
    assert sorted(made.files) == ["b1.onnx", "b4.onnx", "context.json"]
    index = read_index(made.files[made.entrypoint])
    assert (index.htp_arch, index.soc, index.soc_model) == ("v73", "SM8550", 43)
    assert [context.batch for context in index.contexts] == [1, 4]
    assert made.execution is Execution.EMULATOR
    assert made.placement is not None
    assert made.placement.share == 1.0


@needs_toolchain
def test_sixteen_bit_activations() -> None:
    made = lower(job(networks.quantized(-1, activations="uint16"), PROFILES["qnn-htp-v73-a16w8"]))
    assert made.placement is not None
    assert made.placement.share == 1.0


@needs_toolchain
def test_an_operator_that_the_device_lacks_names_the_profile() -> None:
    with pytest.raises(PlacementError, match=r"for profile qnn-htp-v73: expected all .* on the CPU: .*Erf Erf_odd"):
        lower(job(networks.quantized(-1, last="Erf")))


OPTIONS = {
    "unknown architecture": ({"htp-arch": "v99", "soc": "SM8550"}, "profile qnn-htp-v73: options.htp-arch: expected"),
    "unknown chip": ({"htp-arch": "v73", "soc": "SM9999"}, "profile qnn-htp-v73: options.soc: expected one of SM8550"),
    "none": ({}, "profile qnn-htp-v73: options.htp-arch: expected one of v68"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_held_before_anything_runs(name: str) -> None:
    options, message = OPTIONS[name]
    with pytest.raises(InvalidInputError, match=message):
        lower(job(networks.quantized(-1), msgspec.structs.replace(V73, options=options)))


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeMissingError) as caught:
        lower(job(networks.quantized(-1)))
    assert caught.value.advice == "pip install 'skerry[qnn]'"
