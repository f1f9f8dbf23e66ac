"""Step: values of the inputs against the contract's ranges: reject, clip or flag."""

from __future__ import annotations

from edge_agent.serving.call import Call
from edge_agent.serving.step import Step


class RangeCheck(Step):
    """Looks at every element of the inputs that have a range."""

    def enter(self, call: Call) -> None:
        """Check, and replace what was clipped. Raises ``ContractViolationError``."""
        for check in call.deployment.ranged_inputs:
            tensor, mark = check.check_values(call.inputs[check.name])
            if mark is not None:
                call.inputs[check.name] = tensor
                call.marks += (mark,)
