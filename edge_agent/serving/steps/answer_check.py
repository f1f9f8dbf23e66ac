"""Step: the answer against the contract, before it is stored or sent."""

from __future__ import annotations

from edge_agent.serving.call import Call
from edge_agent.serving.tensor_check import TensorCheck
from edge_bundle.errors import ContractViolationError
from edge_bundle.tensor import Tensor


class AnswerCheck:
    """Refuses an answer that breaks the contract: the client gets an error, never a wrong tensor."""

    def enter(self, call: Call) -> None:
        """Nothing to do before there is an answer."""

    def leave(self, call: Call) -> None:
        """Check names, dtypes, shapes and values. Raises ``ContractViolationError`` with ``where="output"``."""
        if call.error is not None or call.outputs is None:
            return
        checked: dict[str, Tensor] = {}
        for name, check in call.deployment.output_checks.items():
            tensor, mark = check.check_values(_shaped(call, check))
            checked[name] = tensor
            if mark is not None:
                call.marks += (mark,)
        call.outputs = checked


def _shaped(call: Call, check: TensorCheck) -> Tensor:
    tensor = (call.outputs or {}).get(check.name)
    if tensor is None:
        raise _violation(check.name, "names", "this tensor", "no such tensor from the engine")
    check.check_shape(tensor)
    check.check_rows(tensor, call.rows)
    got = memoryview(tensor.data).nbytes
    if got != tensor.nbytes:
        raise _violation(check.name, "size", f"{tensor.nbytes} bytes", f"{got}")
    return tensor


def _violation(tensor: str, rule: str, expected: str, got: str) -> ContractViolationError:
    return ContractViolationError(where="output", tensor=tensor, rule=rule, expected=expected, got=got)
