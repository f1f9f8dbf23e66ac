"""Where a stand-alone module comes from: a ``.wasm`` file, a WebAssembly variant of a bundle, or an ONNX model."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from compiler.importer.model_file import read_file
from compiler.wasm.compile import compile_module
from compiler.wasm.options import WasmOptions
from edge_bundle.archive import unpack
from edge_bundle.blobs import decompress
from edge_bundle.canonical import decode
from edge_bundle.errors import FormatError, InvalidInputError, NotFoundError
from edge_bundle.layout import Layout
from edge_bundle.limits import MAX_ARTIFACT_BLOB_BYTES, MAX_ARTIFACT_BYTES, MAX_CONFIG_BYTES, MAX_INDEX_BYTES
from edge_bundle.manifest import VariantManifest
from edge_bundle.oci import Descriptor
from edge_bundle.release_documents import parse_bundle_index, parse_image_manifest, parse_release_index
from edge_runtime.wasm.abi import Feature
from edge_runtime.wasm.files import MODULE_SUFFIX, WEIGHTS_FILE, module_file
from edge_runtime.wasm.module import CheckedModule, read_module
from wasm_emit.binary import HEADER

ONNX_SUFFIX = ".onnx"
BUNDLE_SUFFIX = ".tar"
RUNTIME = "wasm"
SOURCES = "a .wasm file, an .onnx file or a bundle"

_COMPILE_FIRST = "make a bundle for that profile with skerry compile, and name the bundle here"
_FIXED = "it was fixed when the model was compiled; name the ONNX file, or compile it again"


def standalone_module(path: Path, *, profile: str | None, options: WasmOptions) -> bytes:
    """The module at ``path`` with its weights inside, checked as an engine checks it.

    ``profile`` picks the variant of a bundle where it has several; ``options`` are for an ONNX file, and their batch
    picks the module of a variant. What ``path`` has no use for is refused. Nothing about a bundle's signatures is
    verified here.

    Raises:
        InvalidInputError, NotFoundError: there is no such file, variant or batch size, or nothing to choose in it.
        FormatError, LimitExceededError, DigestMismatchError: not a module of this ABI.
        CompileError: the ONNX model cannot be compiled.

    """
    if path.suffix == ONNX_SUFFIX:
        return _compiled(path, profile, options)
    if path.is_dir() or path.suffix == BUNDLE_SUFFIX:
        _only_for_models(path, options, "a bundle")
        return _from_bundle(path, profile, options.batch)
    return _from_file(path, profile, options)


def checked(data: bytes) -> CheckedModule:
    """A module of any feature set, checked. Raises ``FormatError`` or ``LimitExceededError``."""
    return read_module(data, features=tuple(Feature))


def _useless(path: Path, option: str, kind: str, advice: str) -> InvalidInputError:
    return InvalidInputError(file=str(path), expected=f"no {option} with {kind}", got="one", advice=advice)


def _only_for_models(path: Path, options: WasmOptions, kind: str) -> None:
    """``options`` that say how to compile are of no use where everything is compiled."""
    for option, given in (("--dim", bool(options.dims)), ("--no-winograd", not options.winograd)):
        if given:
            raise _useless(path, option, kind, _FIXED)


def _compiled(path: Path, profile: str | None, options: WasmOptions) -> bytes:
    if profile is not None:
        raise _useless(path, "--profile", "an ONNX file", _COMPILE_FIRST)
    module = compile_module(read_file(path), options)
    if options.batch > 1 and all(place.shape[:1] != (options.batch,) for place in module.info.inputs):
        raise _useless(path, "--batch", "a model without an open dimension 0", "leave it out")
    return module.standalone()


def _from_file(path: Path, profile: str | None, options: WasmOptions) -> bytes:
    data = _read(path)
    if path.suffix != MODULE_SUFFIX and not data.startswith(HEADER):
        raise InvalidInputError(file=str(path), expected=SOURCES, got="another file")
    _only_for_models(path, options, "a module")
    if profile is not None:
        raise _useless(path, "--profile", "a module", "leave it out: a module is one variant")
    try:
        module = checked(data)
    except FormatError as error:
        what, advice = f"{path}: {error.what}", "it is cut off, was edited, or is no module of Skerry; export it again"
        raise FormatError(what=what, expected=error.expected, got=error.got, advice=advice) from error
    if options.batch not in (1, module.info.batch):
        raise _useless(path, f"--batch but {module.info.batch}", "this module", _FIXED)
    return module.assembled(None)


def _from_bundle(path: Path, profile: str | None, batch: int) -> bytes:
    files = _variant_files(path, profile)
    name = module_file(batch)
    if name not in files:
        held = ", ".join(sorted(file for file in files if file.endswith(MODULE_SUFFIX)))
        raise NotFoundError(what="module of the variant", name=name, advice=f"it holds {held}")
    return checked(files[name]).assembled(files.get(WEIGHTS_FILE))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(file=str(path), expected=SOURCES, got=error.strerror or str(error)) from error


def _variant_files(path: Path, profile: str | None) -> dict[str, bytes]:
    with Layout.open(path) as layout:
        release = parse_release_index(layout.index)
        bundle = parse_bundle_index(layout.read(release.bundle.digest, max_bytes=MAX_INDEX_BYTES))
        found: dict[str, Descriptor] = {}
        for name, descriptor in bundle.variants.items():
            variant = parse_image_manifest(layout.read(descriptor.digest, max_bytes=MAX_INDEX_BYTES))
            config = layout.read(variant.config.digest, max_bytes=MAX_CONFIG_BYTES)
            manifest = decode(config, VariantManifest, what=f"manifest of {name}", max_bytes=MAX_CONFIG_BYTES)
            if manifest.runtime == RUNTIME:
                found[name] = variant.artifact
        blob = layout.read(_choose(path, found, profile).digest, max_bytes=MAX_ARTIFACT_BLOB_BYTES)
    return unpack(decompress(blob, max_bytes=MAX_ARTIFACT_BYTES))


def _choose(path: Path, found: Mapping[str, Descriptor], profile: str | None) -> Descriptor:
    """The artifact of the profile asked for, or of the only one there is."""
    if profile is None and len(found) == 1:
        return next(iter(found.values()))
    if profile is not None and profile in found:
        return found[profile]
    names = ", ".join(sorted(found))
    if profile is not None and found:
        close = difflib.get_close_matches(profile, found, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise NotFoundError(
            what="WebAssembly variant of the bundle", name=profile, advice=f"{hint}the bundle has {names}"
        )
    raise InvalidInputError(
        file=str(path),
        expected="one WebAssembly variant",
        got=f"several: {names}" if found else "none",
        advice="name one of them with --profile" if found else "compile it with --profile wasm-simd128",
    )
