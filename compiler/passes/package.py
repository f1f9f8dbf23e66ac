"""Pass 11, package: all variants into one OCI image layout, written beside its place and moved there in one step.

Requires: measured variants; an empty staging directory.
Ensures:
    1. ``staging_dir`` holds the bundle; ``out_dir`` is untouched (the last pass publishes it);
    2. packing the same content again gives the same digest: nothing measured is inside, only the numeric class.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.compilation import Compilation, Measured, Sources, need
from compiler.compile_options import engine_options
from compiler.passes.ensures import ensure
from compiler.progress import Progress
from compiler.publishing.publish import staging_dir
from edge_bundle.bundle import VariantContent, write_bundle
from edge_bundle.layout import Layout
from edge_bundle.manifest import VariantManifest

NAME = "package"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Write the bundle into the staging directory.

    Raises:
        ConflictError: variants that do not belong together, or ``out_dir`` is neither free nor a bundle.

    """
    progress.start(NAME, 1)
    contract = state.sources.contract
    staging = staging_dir(state.request.out_dir)
    contents = [content(measured, state.sources) for measured in state.measured]
    with Layout.create(staging) as layout:
        refs = write_bundle(layout, contract.name, contract.version, contents)
    progress.advance()
    progress.done()
    return replace(state, refs=refs)


def check(state: Compilation) -> None:
    """Rule 1."""
    refs = need(state.refs, "bundle")
    with Layout.open(staging_dir(state.request.out_dir)) as layout:
        ensure(layout.has(refs.bundle_digest), stage=NAME, promise="the staging directory holds the bundle")


def content(measured: Measured, sources: Sources) -> VariantContent:
    """What goes into the bundle of one variant."""
    return VariantContent(
        manifest=manifest(measured, sources),
        contract=sources.contract,
        artifact=measured.lowered.files,
        goldens=measured.goldens,
    )


def manifest(measured: Measured, sources: Sources) -> VariantManifest:
    """The manifest of one variant."""
    contract, lowered = sources.contract, measured.lowered
    return VariantManifest(
        name=contract.name,
        version=contract.version,
        profile=lowered.profile.name,
        runtime=lowered.profile.runtime,
        precision=lowered.profile.precision,
        numeric_class=measured.numeric_class,
        threads=lowered.profile.threads,
        entrypoint=lowered.entrypoint,
        options=engine_options(lowered.profile),
        inputs=tuple(rule.spec for rule in contract.inputs),
        outputs=tuple(rule.spec for rule in contract.outputs),
        model_digest=sources.model_digest,
        contract_digest=sources.contract_digest,
        toolchain=dict(lowered.toolchain),
    )
