"""Read and check everything that a compile starts from, before any work is done."""

from __future__ import annotations

from compiler.compilation import Sources
from compiler.dataset import load_calibration, load_evaluation
from compiler.importer import model_file
from compiler.metrics.judge import open_judge, open_measure
from compiler.request import MIN_LATENCY_RUNS, CompileRequest
from edge_bundle.contract_file import contract_digest, load_contract
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import InvalidInputError


def load_sources(request: CompileRequest) -> Sources:
    """Contract, model bytes and data sets.

    Raises:
        InvalidInputError: a file or option is wrong; names file, key, expected and got.
        LimitExceededError: a file is too large.

    """
    model = model_file.read_file(request.model_path)
    contract = load_contract(request.contract_path)
    folder, file = request.contract_path.parent, str(request.contract_path)
    measure = open_measure(contract, folder=folder, file=file)
    _check_request(request)
    evaluation = load_evaluation(request.evaluation_path, contract.inputs)
    return Sources(
        contract=contract,
        contract_digest=contract_digest(contract),
        model=model,
        model_digest=sha256_digest(model),
        calibration=load_calibration(request.calibration_path, contract.inputs) if request.calibration_path else None,
        evaluation=evaluation,
        judge=open_judge(contract, measure, evaluation, file=str(request.evaluation_path)),
    )


def _check_request(request: CompileRequest) -> None:
    names = [profile.name for profile in request.profiles]
    if not names or len(set(names)) != len(names):
        got = ", ".join(names) or "none"
        raise InvalidInputError(file="request", key="profiles", expected="one or more different profiles", got=got)
    if not request.keys:
        raise InvalidInputError(
            file="request",
            key="keys",
            expected="at least one signing key",
            got="none",
            advice="make one with: skerry keys generate",
        )
    if request.latency_runs < MIN_LATENCY_RUNS:
        raise InvalidInputError(
            file="request",
            key="latency_runs",
            expected=f"at least {MIN_LATENCY_RUNS}",
            got=str(request.latency_runs),
        )
    int8 = [profile.name for profile in request.candidates if profile.precision.calibrated]
    if int8 and request.calibration_path is None:
        raise InvalidInputError(
            file="request",
            key="calibration",
            expected=f"a calibration set, for profile {int8[0]}",
            got="none",
            advice="give calibration.npz, or leave int8 profiles out",
        )
