"""How a pass says that its own promise is broken."""

from __future__ import annotations

from edge_bundle.errors import CompileError


def ensure(holds: bool, *, stage: str, promise: str) -> None:
    """Check one line of a pass's "Ensures".

    Raises:
        CompileError: it does not hold; the input was acceptable, so the pass is at fault.

    """
    if not holds:
        raise CompileError(
            stage=stage,
            detail=f"broken promise: {promise}",
            advice="this is a fault of the compiler or of a tool it uses; please report it with the model",
        )
