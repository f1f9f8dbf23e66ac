"""Step: the answer against the contract, before it is stored or sent."""

from __future__ import annotations

from edge_agent.serving.call import Call
from edge_agent.serving.step import Step
from edge_agent.serving.tensor_check import TensorCheck
from edge_bundle.errors import ContractViolationError
from edge_bundle.tensor import Tensor


class AnswerCheck(Step):
    """Refuses an answer that breaks the contract: the client gets an error, never a wrong tensor."""

    def leave(self, call: Call) -> None:
        """Check names, dtypes, shapes and values. Raises ``ContractViolationError`` with ``where="output"``."""
        if call.error is not None or call.outputs is None:
            return
        outputs = call.outputs
        checked: dict[str, Tensor] = {}
        for name, check in call.deployment.output_checks.items():
            tensor, mark = check.check_values(_shaped(outputs.get(name), check, call.rows))
            checked[name] = tensor
            if mark is not None:
                call.marks += (mark,)
        call.outputs = checked


def _shaped(tensor: Tensor | None, check: TensorCheck, rows: int) -> Tensor:
    if tensor is None:
        raise _violation(check.name, "names", "this tensor", "no such tensor from the engine")
    check.check_shape(tensor)
    check.check_rows(tensor, rows)
    data, wanted = tensor.data, tensor.nbytes
    got = data.nbytes if type(data) is memoryview else len(data)
    if got != wanted:
        raise _violation(check.name, "size", f"{wanted} bytes", f"{got}")
    return tensor


def _violation(tensor: str, rule: str, expected: str, got: str) -> ContractViolationError:
    return ContractViolationError(where="output", tensor=tensor, rule=rule, expected=expected, got=got)
