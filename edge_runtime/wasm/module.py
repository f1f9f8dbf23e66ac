"""One module's bytes, read and checked before any runtime sees them.

1. The seal holds over everything in front of it, and nothing but the data section follows it.
2. The section ``skerry`` describes ABI version 1 and asks for no feature that is not allowed here.
3. There are no imports, tables or start function (``structure.py``), and one memory of the declared size.
4. The exports are those of the ABI with its types, and nothing else.
5. The data segment, where there is one, is the declared weights.
6. Inputs and outputs have one name each, lie aligned inside the memory and clear of the weights; inputs lie clear of
   each other.
"""

from __future__ import annotations

import hmac
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from edge_bundle import canonical
from edge_bundle.digest import check_digest
from edge_bundle.errors import FormatError, LimitExceededError
from edge_runtime.wasm.abi import (
    ABI_VERSION,
    INFO_DECODER,
    PAGE_BYTES,
    SEAL_SECTION,
    SECTION,
    Feature,
    ModuleInfo,
    TensorPlace,
)
from edge_runtime.wasm.seal import digest_of
from edge_runtime.wasm.structure import Export, FunctionType, Structure, read_structure
from wasm_emit.binary import SectionId, append_data

MAX_CODE_BYTES = 64 << 20
"""A module without its weights, in bytes; MobileNetV2 takes 150 KiB, and each byte costs some 80 ns to compile."""

MAX_MEMORY_PAGES = (1 << 30) // PAGE_BYTES
"""Memory of one instance: 1 GiB. Weights and all values of the largest model here take 60 MB."""

_NOTHING = FunctionType((), ())
_STATUS = FunctionType((), ("i32",))


@dataclass(frozen=True)
class CheckedModule:
    """A checked module. ``code`` is all of it but the data section; ``weights`` is what the data section holds."""

    code: bytes
    info: ModuleInfo
    seal: bytes
    weights: memoryview | None

    def assembled(self, side_file: bytes | None) -> bytes:
        """The bytes to compile: code with the weights as its data section, from the file itself or the side file.

        Raises ``FormatError`` for missing weights and ``DigestMismatchError`` for others than declared.
        """
        declared = self.info.weights
        weights = self.weights if side_file is None else side_file
        if weights is None:
            if not declared.bytes:
                return self.code
            raise FormatError(what="weights", expected=f"{declared.bytes} bytes, inside or beside it", got="none")
        check_length(self.info, weights)
        check_digest(weights, declared.digest, subject="weights")
        return append_data(self.code, declared.offset, weights)


def read_module(data: bytes, *, features: Collection[Feature] = (Feature.SIMD128,)) -> CheckedModule:
    """Read and check a module; the rules above say what for.

    ``features`` are those allowed here. Raises ``FormatError``, or ``LimitExceededError`` for one that is too large.
    """
    structure = read_structure(data)
    info, seal, end = _description(data, structure)
    if end > MAX_CODE_BYTES:
        raise LimitExceededError(what="module without its weights", limit=MAX_CODE_BYTES, got=end, unit="bytes")
    _check_info(info, features)
    _check_memory(info, structure)
    _check_exports(info, structure)
    weights = _check_segment(info, structure, data)
    _check_tensors(info)
    return CheckedModule(code=data[:end] if weights is not None else data, info=info, seal=seal, weights=weights)


def check_length(info: ModuleInfo, weights: bytes | memoryview) -> None:
    """Raise ``FormatError`` unless the weights are as long as declared."""
    if len(weights) != info.weights.bytes:
        raise FormatError(what="weights", expected=f"{info.weights.bytes} bytes", got=str(len(weights)))


def _description(data: bytes, structure: Structure) -> tuple[ModuleInfo, bytes, int]:
    """Rule 1: what the module says of itself, its seal, and where the sealed part ends."""
    info = seal = None
    for section in structure.layout:
        if seal is not None and section.id is not SectionId.DATA:
            got = f"section {section.name or section.id.name.lower()!r}"
            raise FormatError(what="module", expected="nothing but data behind its seal", got=got)
        if section.name == SECTION:
            if info is not None:
                raise FormatError(what="module", expected=f"one section {SECTION!r}", got="two")
            info = canonical.decode(data[section.body : section.end], INFO_DECODER, what=f"section {SECTION!r}")
        elif section.name == SEAL_SECTION:
            seal, sealed, end = data[section.body : section.end], section.start, section.end
    if info is None:
        raise FormatError(what="module", expected=f"a custom section {SECTION!r}", got="none")
    if seal is None:
        raise FormatError(what="module", expected=f"a custom section {SEAL_SECTION!r} behind it", got="none")
    digest = digest_of(memoryview(data)[:sealed])
    if not hmac.compare_digest(digest, seal):
        raise FormatError(what="module's seal", expected=digest.hex(), got=seal.hex()[: 2 * len(digest)])
    return info, seal, end


def _check_info(info: ModuleInfo, features: Collection[Feature]) -> None:
    """Rule 2."""
    if info.abi != ABI_VERSION:
        raise FormatError(what="module's ABI", expected=f"version {ABI_VERSION}", got=str(info.abi))
    for feature in info.features:
        if feature not in features:
            allowed = ", ".join(sorted(features)) or "none"
            raise FormatError(what="module's features", expected=f"only {allowed}", got=feature)


def _check_memory(info: ModuleInfo, structure: Structure) -> None:
    """Rule 3. ``structure.py`` has seen to it that minimum and maximum are equal."""
    pages = structure.memory_pages
    if pages is None or pages != info.memory.pages:
        raise FormatError(what="module's memory", expected=f"{info.memory.pages} pages", got=str(pages or "none"))
    if pages > MAX_MEMORY_PAGES:
        raise LimitExceededError(what="module's memory", limit=MAX_MEMORY_PAGES, got=pages, unit="pages of 64 KiB")
    for region in info.memory.regions:
        if region.offset + region.bytes > pages * PAGE_BYTES:
            raise _outside(f"region {region.name!r}", region.offset, region.bytes, pages)


def _check_exports(info: ModuleInfo, structure: Structure) -> None:
    """Rule 4."""
    functions = {"init": _NOTHING, "run": _STATUS} | {f"step.{i}": _NOTHING for i in range(len(info.steps))}
    expected = functions.keys() | {"memory", "abi_version"}
    for name in (*structure.exports, *expected):
        if name not in expected:
            raise FormatError(what="module's exports", expected="only those of the ABI", got=repr(name))
        if name not in structure.exports:
            raise FormatError(what="module's exports", expected=repr(name), got="no such export")
    _expect_kind(structure.exports["memory"], "memory", "memory")
    for name, wanted in functions.items():
        _check_function(structure, name, wanted)
    _check_version(structure)


def _check_function(structure: Structure, name: str, wanted: FunctionType) -> None:
    export = structure.exports[name]
    _expect_kind(export, "function", name)
    if export.index >= len(structure.functions):
        raise FormatError(
            what=f"export {name!r}", expected=f"one of {len(structure.functions)} functions", got=str(export.index)
        )
    got = structure.types[structure.functions[export.index]]
    if got != wanted:
        raise FormatError(what=f"export {name!r}", expected=str(wanted), got=str(got))


def _check_version(structure: Structure) -> None:
    export = structure.exports["abi_version"]
    _expect_kind(export, "global", "abi_version")
    found = structure.globals[export.index] if export.index < len(structure.globals) else None
    if found is None or found.type != "i32" or found.mutable or found.value != ABI_VERSION:
        got = "no such global" if found is None else f"{'mutable ' * found.mutable}{found.type} {found.value}"
        raise FormatError(what="export 'abi_version'", expected=f"i32 {ABI_VERSION}", got=got)


def _expect_kind(export: Export, kind: str, name: str) -> None:
    if export.kind != kind:
        raise FormatError(what=f"export {name!r}", expected=f"a {kind}", got=f"a {export.kind}")


def _check_segment(info: ModuleInfo, structure: Structure, data: bytes) -> memoryview | None:
    """Rule 5: the bytes of the data segment. Their digest is checked when they are used."""
    declared, pages = info.weights, info.memory.pages
    if declared.offset + declared.bytes > pages * PAGE_BYTES:
        raise _outside("weights", declared.offset, declared.bytes, pages)
    segment = structure.segment
    if segment is None:
        return None
    want, got = (declared.offset, declared.bytes), (segment.offset, segment.end - segment.start)
    if want != got:
        raise FormatError(what="data segment", expected=_place(*want), got=_place(*got))
    return memoryview(data)[segment.start : segment.end]


def _check_tensors(info: ModuleInfo) -> None:
    """Rule 6."""
    for kind, places in (("input", info.inputs), ("output", info.outputs)):
        names = [place.name for place in places]
        if len(set(names)) < len(names):
            raise FormatError(what=f"module's {kind}s", expected="one name each", got=", ".join(map(repr, names)))
        for place in places:
            _check_place(info, f"{kind} {place.name!r}", place)
    _check_apart(info.inputs)


def _check_place(info: ModuleInfo, what: str, place: TensorPlace) -> None:
    if place.offset % place.dtype.itemsize:
        raise FormatError(what=what, expected=f"an offset that {place.dtype.itemsize} divides", got=str(place.offset))
    if place.offset + place.nbytes > info.memory.pages * PAGE_BYTES:
        raise _outside(what, place.offset, place.nbytes, info.memory.pages)
    weights = info.weights
    if place.offset < weights.offset + weights.bytes and weights.offset < place.offset + place.nbytes:
        expected = f"clear of the weights, {_place(weights.offset, weights.bytes)}"
        raise FormatError(what=what, expected=expected, got=_place(place.offset, place.nbytes))


def _check_apart(places: Sequence[TensorPlace]) -> None:
    held = sorted((place for place in places if place.nbytes), key=lambda place: place.offset)
    for before, after in itertools.pairwise(held):
        if before.offset + before.nbytes > after.offset:
            expected = f"clear of {before.name!r}, {_place(before.offset, before.nbytes)}"
            raise FormatError(what=f"input {after.name!r}", expected=expected, got=_place(after.offset, after.nbytes))


def _outside(what: str, offset: int, size: int, pages: int) -> FormatError:
    return FormatError(what=what, expected=f"inside the memory's {pages * PAGE_BYTES} bytes", got=_place(offset, size))


def _place(offset: int, size: int) -> str:
    return f"{size} bytes at {offset}"
