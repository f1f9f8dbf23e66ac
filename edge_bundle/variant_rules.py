"""What holds between the parts of one variant. The writer and the verifier apply the same rules.

1. The contract's digest is the manifest's ``contract_digest``; name and version agree.
2. The manifest's inputs and outputs are the contract's, in order.
3. The artifact holds the entrypoint.
4. There is a golden vector, and each has the contract's tensors with fitting dtypes and shapes.
5. A variant of class ``portable-exact`` has no option on that lets results differ between CPUs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edge_bundle.contract import Contract
from edge_bundle.digest import Digest
from edge_bundle.errors import FormatError, SubjectMismatchError
from edge_bundle.golden import GoldenVector
from edge_bundle.manifest import NumericClass, VariantManifest
from edge_bundle.tensor import Tensor, TensorSpec

_HOST_OPTIONS = frozenset({"relaxed-simd"})
"""Options of runtimes whose instructions may give other bits on other CPUs (WebAssembly 3.0, relaxed vector
instructions); "off" is their default."""


def check_variant(
    manifest: VariantManifest,
    contract: Contract,
    contract_digest: Digest,
    files: Mapping[str, bytes],
    goldens: Sequence[GoldenVector],
) -> None:
    """Raise ``SubjectMismatchError`` or ``FormatError`` for the first rule that is broken."""
    where = f"variant {manifest.profile}"
    # Rule 1
    _agree(f"{where}: contract", manifest.contract_digest, contract_digest)
    manifest_ref, contract_ref = f"{manifest.name}:{manifest.version}", f"{contract.name}:{contract.version}"
    _agree(f"{where}: name and version of the contract", manifest_ref, contract_ref)
    # Rule 2
    _agree(f"{where}: inputs", _specs(rule.spec for rule in contract.inputs), _specs(manifest.inputs))
    _agree(f"{where}: outputs", _specs(rule.spec for rule in contract.outputs), _specs(manifest.outputs))
    # Rule 3
    if manifest.entrypoint not in files:
        raise FormatError(
            what=f"{where}: artifact", expected=f"the entrypoint {manifest.entrypoint!r}", got=str(sorted(files))
        )
    # Rule 5
    for name in sorted(_HOST_OPTIONS & manifest.options.keys()):
        if manifest.numeric_class is NumericClass.PORTABLE_EXACT and manifest.options[name] != "off":
            raise FormatError(
                what=f"{where}: option {name}", expected="off for a variant of class portable-exact",
                got=manifest.options[name],
            )  # fmt: skip
    # Rule 4
    if not goldens:
        raise FormatError(what=f"{where}: golden vectors", expected="at least one", got="none")
    for i, vector in enumerate(goldens):
        for specs, tensors in ((manifest.inputs, vector.inputs), (manifest.outputs, vector.outputs)):
            _check_tensors(f"{where}: golden vector {i}", specs, tensors, contract.limits.max_batch)


def _check_tensors(where: str, specs: tuple[TensorSpec, ...], tensors: Mapping[str, Tensor], max_batch: int) -> None:
    names = {spec.name for spec in specs}
    if names != tensors.keys():
        raise FormatError(what=where, expected=f"tensors {sorted(names)}", got=str(sorted(tensors)))
    for spec in specs:
        tensor = tensors[spec.name]
        if tensor.dtype is not spec.dtype or not spec.accepts(tensor.shape, max_batch=max_batch):
            raise FormatError(
                what=f"{where}: {spec.name}",
                expected=f"{spec.dtype} {list(spec.shape)}",
                got=f"{tensor.dtype} {list(tensor.shape)}",
            )


def _specs(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype} {list(spec.shape)}" for spec in specs)


def _agree(subject: str, expected: str, got: str) -> None:
    if expected != got:
        raise SubjectMismatchError(subject=subject, expected=expected, got=got)
