"""``skerry inspect``: what a model file or a bundle holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.options import FILE
from skerry.output import emit, facts, pairs, short, table
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from compiler.inspect import BundleDescription, ModelDescription, VariantDescription
    from edge_bundle.tensor import TensorSpec


@click.command()
@click.argument("path", type=FILE)
@click.option("--proof", "in_full", is_flag=True, help="Every figure of every variant's proof.")
@json_option
@verbose_option
def inspect(path: Path, in_full: bool, as_json: bool) -> None:
    """Describe the ONNX file or bundle at PATH. Nothing is verified; see `skerry verify`."""
    from rich.console import Group

    from compiler.inspect import ModelDescription, describe

    found = describe(path)
    if isinstance(found, ModelDescription):
        model = found
        emit(model, as_json=as_json, render=lambda: _model_table(model))
        return
    bundle = found

    def tables() -> RenderableType:
        proofs = _proof_tables(bundle.variants) if in_full else ()
        return Group(_bundle_table(bundle), "", _variant_table(bundle.variants), *proofs)

    emit(bundle, as_json=as_json, render=tables)


def _model_table(model: ModelDescription) -> RenderableType:
    return facts("", {
        "digest": model.digest,
        "size": f"{model.size_bytes:,} bytes",
        "opset": model.opset,
        "parameters": f"{model.parameters:,}",
        "inputs": _specs(model.inputs),
        "outputs": _specs(model.outputs),
        "operators": " ".join(f"{name}:{count}" for name, count in sorted(model.op_counts.items())),
    })  # fmt: skip


def _bundle_table(bundle: BundleDescription) -> RenderableType:
    contract = bundle.contract
    signers = sorted({keyid for keyids in bundle.signers.values() for keyid in keyids})
    return facts(f"{bundle.name} {bundle.version} (not verified)", {
        "bundle": bundle.bundle_digest,
        "release index": bundle.release_index_digest,
        "owner": contract.owner,
        "inputs": _specs(rule.spec for rule in contract.inputs),
        "outputs": _specs(rule.spec for rule in contract.outputs),
        "made from": bundle.provenance,
        "toolchain": bundle.toolchain,
        "claims to be signed by": " ".join(keyid[:12] for keyid in signers),
    })  # fmt: skip


def _variant_table(variants: Sequence[VariantDescription]) -> RenderableType:
    from compiler.metrics.text import metric_title, value_text
    from compiler.reports.proof_text import latency_texts

    rows = []
    for variant in variants:
        manifest, proof = variant.manifest, variant.proof
        accuracy = value_text(proof.accuracy.metric, proof.accuracy.value) if proof else ""
        latency = latency_texts(proof)[0] if proof else ""
        rows.append((
            manifest.profile, f"{manifest.runtime} {manifest.precision.value}", manifest.numeric_class.value,
            accuracy, latency, f"{variant.download_bytes / 1000:.1f}", short(variant.variant_digest),
        ))  # fmt: skip
    title = next((metric_title(one.proof.accuracy.metric) for one in variants if one.proof), "accuracy")
    columns = ("profile", "runs on", "numeric class", f"{title}#", "p50 us#", "download kB#", "digest")
    return table("variants", columns, rows)


def _proof_tables(variants: Iterable[VariantDescription]) -> Iterator[RenderableType]:
    from compiler.reports.proof_facts import proof_facts

    for variant in variants:
        if variant.proof:
            yield ""
            yield facts(f"proof of {variant.manifest.profile}", {
                **proof_facts(variant.proof), "toolchain": pairs(variant.manifest.toolchain),
            })  # fmt: skip


def _specs(specs: Iterable[TensorSpec]) -> str:
    return " ".join(f"{spec.name}:{spec.dtype.value}[{','.join(map(str, spec.shape))}]" for spec in specs)
