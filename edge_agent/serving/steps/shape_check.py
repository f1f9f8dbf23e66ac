"""Step: names, dtypes, shapes and batch of the request, and the outputs it asks for."""

from __future__ import annotations

from edge_agent.serving.call import Call
from edge_agent.serving.step import Step
from edge_bundle.errors import ContractViolationError
from edge_bundle.tensor import DType, Tensor


class ShapeCheck(Step):
    """Refuses a request whose tensors are not those of the contract, whatever their values."""

    def enter(self, call: Call) -> None:
        """Check, put the inputs in contract order and set ``call.rows``. Raises ``ContractViolationError``."""
        checks, given = call.deployment.input_checks, call.inputs
        if given.keys() != checks.keys():
            raise _names("input", list(checks), list(given))
        inputs: dict[str, Tensor] = {}
        rows = 0
        for name, check in checks.items():
            tensor = inputs[name] = given[name]
            check.check_shape(tensor)
            if check.has_batch:
                if rows == 0:
                    rows = tensor.shape[0]
                else:
                    check.check_rows(tensor, rows)
        call.inputs, call.rows = inputs, rows or 1
        self._check_wanted(call)

    def _check_wanted(self, call: Call) -> None:
        outputs = call.deployment.output_checks
        for name, binary in call.wanted:
            check = outputs.get(name)
            if check is None:
                raise _names("requested output", list(outputs), [name])
            if not binary and check.rule.dtype is DType.FP16:
                raise ContractViolationError(
                    where="requested output",
                    tensor=name,
                    rule="representation",
                    expected="binary_data true (FP16 has no JSON form)",
                    got="JSON asked for",
                )


def _names(where: str, expected: list[str], got: list[str]) -> ContractViolationError:
    strange = sorted(set(got) - set(expected)) or sorted(set(expected) - set(got))
    return ContractViolationError(
        where=where, tensor=strange[0], rule="names", expected=", ".join(expected), got=", ".join(got) or "none"
    )
