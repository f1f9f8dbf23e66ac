"""The error tree: one root, a subclass for each decision a caller takes.

Errors carry data as attributes; the sentence is built in ``__str__`` ("expected X, got Y", naming the file, node
or key); ``advice`` says what to do next and is kept apart from what happened.
"""

from __future__ import annotations


class SkerryError(Exception):
    """Root of every error that Skerry raises on purpose."""

    def __init__(self, *, advice: str = "") -> None:
        super().__init__()
        self.advice = advice

    @property
    def name(self) -> str:
        """Stable name of the refusal, as shown to people and stored in audit events."""
        return type(self).__name__


class InvalidInputError(SkerryError):
    """A file or option that a person wrote is wrong; they can mend it."""

    def __init__(self, *, file: str, key: str = "", expected: str, got: str, advice: str = "") -> None:
        super().__init__(advice=advice)
        self.file, self.key, self.expected, self.got = file, key, expected, got

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: expected {self.expected}, got {self.got}"


class FormatError(SkerryError):
    """Bytes that a machine wrote do not follow their format."""

    def __init__(self, *, what: str, expected: str, got: str, advice: str = "") -> None:
        super().__init__(advice=advice)
        self.what, self.expected, self.got = what, expected, got

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, got {self.got}"


class MediaTypeError(FormatError):
    """A message announces a media type or content coding that is not spoken here."""


class LimitExceededError(SkerryError):
    """A size, count, depth, ratio or time went over its named limit."""

    def __init__(self, *, what: str, limit: float, got: float, unit: str, advice: str = "") -> None:
        super().__init__(advice=advice)
        self.what, self.limit, self.got, self.unit = what, limit, got, unit

    def __str__(self) -> str:
        return f"{self.what}: expected at most {self.limit} {self.unit}, got {self.got}"


class VerificationError(SkerryError):
    """Root of every refusal of untrusted material. Never retried with the same bytes."""


class DigestMismatchError(VerificationError):
    """Content is not what its digest or length promised."""

    def __init__(self, *, subject: str, expected: str, got: str, advice: str = "") -> None:
        super().__init__(advice=advice or "the copy is damaged or was tampered with; fetch it again")
        self.subject, self.expected, self.got = subject, expected, got

    def __str__(self) -> str:
        return f"{self.subject}: expected {self.expected}, got {self.got}"


class SignatureError(VerificationError):
    """Fewer valid signatures by trusted keys than the threshold asks for."""

    def __init__(self, *, subject: str, threshold: int, valid: int, unknown_keyids: tuple[str, ...] = ()) -> None:
        super().__init__(advice="pin the signer's public key, or have the model's owners sign the bundle")
        self.subject, self.threshold, self.valid, self.unknown_keyids = subject, threshold, valid, unknown_keyids

    def __str__(self) -> str:
        unknown = ", ".join(k[:12] for k in self.unknown_keyids)
        tail = f" (signed by unknown keys: {unknown})" if unknown else ""
        return f"{self.subject}: expected {self.threshold} valid signatures by trusted keys, got {self.valid}{tail}"


class SubjectMismatchError(VerificationError):
    """A valid signature, but over something else than what was offered (mix-and-match)."""

    def __init__(self, *, subject: str, expected: str, got: str) -> None:
        super().__init__(advice="the parts come from different releases; fetch the whole bundle again")
        self.subject, self.expected, self.got = subject, expected, got

    def __str__(self) -> str:
        return f"{self.subject}: expected {self.expected}, got {self.got}"


class RollbackError(VerificationError):
    """Something older than what is already trusted was offered."""

    def __init__(self, *, subject: str, at_least: str, got: str) -> None:
        super().__init__(advice="to go back on purpose, publish the old bundle under a higher version")
        self.subject, self.at_least, self.got = subject, at_least, got

    def __str__(self) -> str:
        return f"{self.subject}: expected version {self.at_least} or newer, got {self.got}"


class ExpiredMetadataError(VerificationError):
    """Trust metadata is past its expiry: the mirror may be frozen, or this node's clock is wrong."""

    def __init__(self, *, subject: str, detail: str) -> None:
        super().__init__(advice="check this machine's clock and whether the hub still signs its timestamp")
        self.subject, self.detail = subject, detail

    def __str__(self) -> str:
        return f"{self.subject}: expected unexpired metadata, got {self.detail}"


class UntrustedMetadataError(VerificationError):
    """Trust metadata is unsigned, malformed, mixed, or names no such target."""

    def __init__(self, *, subject: str, detail: str) -> None:
        super().__init__(
            advice="the hub or a mirror on the way serves metadata that the pinned root does not vouch for"
        )
        self.subject, self.detail = subject, detail

    def __str__(self) -> str:
        return f"{self.subject}: expected metadata signed under the pinned root, got {self.detail}"


class ContractViolationError(SkerryError):
    """A request or an answer breaks the contract's tensor rules."""

    def __init__(self, *, where: str, tensor: str, rule: str, expected: str, got: str) -> None:
        super().__init__()
        self.where, self.tensor, self.rule, self.expected, self.got = where, tensor, rule, expected, got

    def __str__(self) -> str:
        return f"{self.where} {self.tensor!r} breaks {self.rule}: expected {self.expected}, got {self.got}"


class ContractNotMetError(SkerryError):
    """A compiled variant does not reach what the contract promises."""

    def __init__(self, *, profile: str, rule: str, expected: str, got: str, advice: str = "") -> None:
        super().__init__(advice=advice)
        self.profile, self.rule, self.expected, self.got = profile, rule, expected, got

    def __str__(self) -> str:
        return f"profile {self.profile}: {self.rule}: expected {self.expected}, got {self.got}"


class CompileError(SkerryError):
    """A pass cannot handle this model; names the pass, the operator and the node."""

    def __init__(self, *, stage: str, detail: str, node: str = "", operator: str = "", advice: str = "") -> None:
        super().__init__(advice=advice)
        self.stage, self.detail, self.node, self.operator = stage, detail, node, operator

    def __str__(self) -> str:
        where = f" at node {self.node!r} ({self.operator})" if self.node or self.operator else ""
        return f"pass {self.stage}{where}: {self.detail}"


class UnsupportedOperatorError(CompileError):
    """A target has no code for an operator, or for this use of it; nothing was compiled."""

    def __init__(self, *, operator: str, node: str, reason: str, stage: str = "lower", advice: str = "") -> None:
        super().__init__(stage=stage, detail=f"not supported: {reason}", node=node, operator=operator, advice=advice)
        self.reason = reason


class ToolFailedError(CompileError):
    """A vendor's compiler crashed, hung, or fell back where it must not; ``log`` is the end of what it wrote.

    ``what`` says which of the three, with the exit status or the limit.
    """

    def __init__(self, *, tool: str, what: str, log: str = "", stage: str = "lower", advice: str = "") -> None:
        super().__init__(stage=stage, detail=f"{tool} {what}", advice=advice)
        self.tool, self.what, self.log = tool, what, log

    def __str__(self) -> str:
        last = next((line.strip() for line in reversed(self.log.splitlines()) if line.strip()), "")
        return super().__str__() + (f"; its last line: {last}" if last else "")


class NumericClassError(CompileError):
    """A profile claims a numeric class that the variant's bits contradict; it must not be signed."""

    def __init__(self, *, profile: str, claim: str, contradiction: str, advice: str = "") -> None:
        super().__init__(
            stage="prove", detail=f"profile {profile}: expected class {claim}, got {contradiction}", advice=advice
        )
        self.profile, self.claim, self.contradiction = profile, claim, contradiction


class EngineError(SkerryError):
    """A runtime failed to load or run a variant."""

    def __init__(self, *, runtime: str, detail: str, advice: str = "") -> None:
        super().__init__(advice=advice)
        self.runtime, self.detail = runtime, detail

    def __str__(self) -> str:
        return f"runtime {self.runtime}: {self.detail}"


class RuntimeMissingError(EngineError):
    """The runtime is not installed here; ``extra`` brings it, or what the advice says."""

    def __init__(self, *, runtime: str, extra: str = "", advice: str = "") -> None:
        super().__init__(runtime=runtime, detail="not installed", advice=advice or f"pip install 'skerry[{extra}]'")
        self.extra = extra


class DeviceMissingError(EngineError):
    """The runtime is installed, but this machine lacks the device (or its driver) that the variant runs on."""

    def __init__(self, *, runtime: str, expected: str, got: str, advice: str = "") -> None:
        super().__init__(runtime=runtime, detail=f"device: expected {expected}, got {got}", advice=advice)
        self.expected, self.got = expected, got


class CompileOnlyError(EngineError):
    """Nothing can run this variant but firmware that Skerry has no part in."""

    def __init__(self, *, runtime: str, advice: str = "") -> None:
        super().__init__(
            runtime=runtime,
            detail="expected a runtime with an engine, got one that is compiled for only",
            advice=advice or "take the artifact out of the bundle and build it into the device's firmware",
        )


class WrongTargetError(EngineError):
    """Compiled code is for another device than the one at hand; loading it might even seem to work."""

    def __init__(self, *, runtime: str, expected: str, got: str, advice: str = "") -> None:
        super().__init__(
            runtime=runtime,
            detail=f"compiled code: expected {expected}, got {got}",
            advice=advice or "compile the model for this device's own hardware profile",
        )
        self.expected, self.got = expected, got


class PlacementError(EngineError):
    """Nodes run elsewhere than the variant promises; a silent fall back to the CPU is not accepted."""

    def __init__(self, *, runtime: str, device: str, expected: str, got: str, advice: str = "") -> None:
        super().__init__(
            runtime=runtime,
            detail=f"placement on {device}: expected {expected}, got {got}",
            advice=advice or "use a profile that allows nodes on the CPU, or a model that the device takes whole",
        )
        self.device, self.expected, self.got = device, expected, got


class GoldenMismatchError(EngineError):
    """The variant does not reproduce its golden vectors on this device; it must not be activated.

    ``largest_difference`` is over all elements of the tensor; ``None`` where they cannot be compared one by one.
    """

    def __init__(
        self,
        *,
        runtime: str,
        vector: int,
        tensor: str,
        expected: str,
        got: str,
        largest_difference: float | None = None,
    ) -> None:
        super().__init__(
            runtime=runtime,
            detail=f"golden vector {vector}, output {tensor!r}: expected {expected}, got {got}",
            advice="the device, its driver or its runtime version differs from what the proof was made on",
        )
        self.vector, self.tensor, self.expected, self.got = vector, tensor, expected, got
        self.largest_difference = largest_difference


class EngineTimeoutError(EngineError):
    """A run took longer than the node waits for one; the same request may succeed on a quieter machine."""

    def __init__(self, *, runtime: str, limit_s: float) -> None:
        super().__init__(
            runtime=runtime, detail=f"no answer within {limit_s} s", advice="try again, or send fewer rows"
        )
        self.limit_s = limit_s


class UnavailableError(SkerryError):
    """The other side cannot be reached or asks for patience; the same call may work later."""

    def __init__(self, *, what: str, detail: str, advice: str = "") -> None:
        super().__init__(advice=advice)
        self.what, self.detail = what, detail

    def __str__(self) -> str:
        return f"{self.what} is unavailable: {self.detail}"


class ClockError(SkerryError):
    """The machine's clock cannot be right, so that no expiry can be judged; what runs keeps running."""

    def __init__(self, *, expected: str, got: str) -> None:
        super().__init__(advice="set this machine's clock (NTP, RTC battery); new releases are refused until then")
        self.expected, self.got = expected, got

    def __str__(self) -> str:
        return f"this machine's clock: expected {self.expected}, got {self.got}"


class RefusedError(SkerryError):
    """The other side understood and said no (credentials, role, or policy)."""

    def __init__(self, *, what: str, detail: str, advice: str = "") -> None:
        super().__init__(advice=advice)
        self.what, self.detail = what, detail

    def __str__(self) -> str:
        return f"{self.what} was refused: {self.detail}"


class UnauthenticatedError(RefusedError):
    """The other side does not know who asks (RFC 9110 section 15.5.2); other credentials may help."""


class RemoteError(RefusedError):
    """A refusal that the other side explained as a problem document; ``name`` is its own name for it."""

    def __init__(self, *, what: str, remote_name: str, detail: str, advice: str = "") -> None:
        super().__init__(what=what, detail=detail, advice=advice)
        self.remote_name = remote_name

    @property
    def name(self) -> str:
        """The stable name that the other side gave (``SignatureError``)."""
        return self.remote_name


class NotFoundError(SkerryError):
    """The named thing does not exist."""

    def __init__(self, *, what: str, name: str, advice: str = "") -> None:
        super().__init__(advice=advice)
        self.what, self.thing = what, name

    def __str__(self) -> str:
        return f"no {self.what} named {self.thing!r}"


class ConflictError(SkerryError):
    """The request contradicts what already exists (a release is never changed, only retired)."""

    def __init__(self, *, what: str, expected: str, got: str, advice: str = "") -> None:
        super().__init__(advice=advice)
        self.what, self.expected, self.got = what, expected, got

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, got {self.got}"


class AlreadyClosedError(SkerryError):
    """A resource was used after ``close()``."""

    def __init__(self, *, what: str) -> None:
        super().__init__()
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} is already closed"
