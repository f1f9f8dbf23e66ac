"""One tensor rule of the contract, prepared once per variant: what to compare, and what to do about a violation."""

from __future__ import annotations

from edge_agent.serving.extent import Extent, bounds, clip, extent
from edge_agent.serving.mark import Mark, MarkKind
from edge_bundle.contract import OnViolation, TensorRule
from edge_bundle.errors import ContractViolationError
from edge_bundle.tensor import DYNAMIC, Tensor


class TensorCheck:
    """Checks tensors against one rule. ``side`` is ``input`` or ``output`` and names the party at fault.

    ``has_batch`` says whether dimension 0 is the batch.
    """

    def __init__(self, rule: TensorRule, side: str, *, max_batch: int) -> None:
        self.name = rule.name
        self.rule = rule
        self._side = side
        self._max_batch = max_batch
        self.has_batch = bool(rule.shape) and rule.shape[0] == DYNAMIC
        self._fixed = rule.shape[1:] if self.has_batch else rule.shape
        self._has_range, self._allow_nan = rule.has_range, rule.allow_nan
        self._low, self._high = bounds(rule.dtype, rule.minimum, rule.maximum)

    def check_shape(self, tensor: Tensor) -> None:
        """Raises ``ContractViolationError`` for another dtype, shape, or too many rows."""
        rule = self.rule
        if tensor.dtype is not rule.dtype:
            raise self._violation("dtype", rule.dtype.value, tensor.dtype.value)
        shape = tensor.shape
        if self.has_batch:
            if shape[1:] == self._fixed and shape and 1 <= shape[0] <= self._max_batch:
                return
        elif shape == self._fixed:
            return
        batch = f" with 1 to {self._max_batch} rows" if self.has_batch else ""
        raise self._violation("shape", f"{list(rule.shape)}{batch}", str(list(shape)))

    def check_rows(self, tensor: Tensor, rows: int) -> None:
        """Raises ``ContractViolationError`` when the batch is not ``rows`` like that of the other tensors."""
        if self.has_batch and tensor.shape[0] != rows:
            raise self._violation("batch", f"{rows} rows in every tensor", f"{tensor.shape[0]}")

    def check_values(self, tensor: Tensor) -> tuple[Tensor, Mark | None]:
        """The tensor, clipped if the rule says so, with a mark when it broke the range and was let through.

        Raises ``ContractViolationError`` when the rule rejects, and for NaN under ``clip`` (no nearest value exists).
        """
        if not self._has_range:
            return tensor, None
        found = extent(tensor)
        bad_nan = found.has_nan and not self._allow_nan
        if not (bad_nan or found.smallest < self._low or found.largest > self._high):
            return tensor, None
        rule = self.rule
        if rule.on_violation is OnViolation.REJECT or (rule.on_violation is OnViolation.CLIP and bad_nan):
            raise self._violation("range", self._range_text(), _found_text(found, bad_nan=bad_nan))
        if rule.on_violation is OnViolation.FLAG:
            return tensor, Mark(MarkKind.FLAGGED, self._side, self.name)
        return clip(tensor, self._low, self._high), Mark(MarkKind.CLIPPED, self._side, self.name)

    def _range_text(self) -> str:
        bounds = f"[{self.rule.minimum}, {self.rule.maximum}]".replace("None", "any")
        return f"elements in {bounds}{'' if self.rule.allow_nan else ', no NaN'}"

    def _violation(self, rule: str, expected: str, got: str) -> ContractViolationError:
        return ContractViolationError(where=self._side, tensor=self.name, rule=rule, expected=expected, got=got)


def _found_text(found: Extent, *, bad_nan: bool) -> str:
    if bad_nan:
        return "NaN"
    return f"[{found.smallest:.6g}, {found.largest:.6g}]"
