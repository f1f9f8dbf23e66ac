"""``skerry hook``: programs that check and answer requests before they reach an agent."""

from __future__ import annotations

from pathlib import Path

import click

from skerry.options import FILE, owner_options, trust_policy
from skerry.output import emit, facts
from skerry.verb import json_option, verbose_option


@click.group()
def hook() -> None:
    """Build programs that stand in front of an agent, in a CDN."""


@hook.command()
@click.argument("bundle", type=FILE)
@click.option("--target", required=True, help="What the hook runs on: workers (Cloudflare Workers, workerd).")
@click.option("--profile", required=True, help="Hardware profile of the variant that the agent behind it runs.")
@click.option("--origin", required=True, metavar="URL", help="Base address of that agent.")
@click.option("--out", type=FILE, required=True, help="Folder to write to: empty, or an earlier build.")
@click.option("--force", is_flag=True, help="Write into --out though it holds other files.")
@owner_options
@json_option
@verbose_option
def build(
    bundle: Path,
    *,
    target: str,
    profile: str,
    origin: str,
    out: Path,
    force: bool,
    owner_keys: tuple[Path, ...],
    threshold: int | None,
    as_json: bool,
) -> None:
    """Write a worker that enforces the contract of BUNDLE.

    It answers repeats from the CDN's cache.
    """
    from cdn_hooks.build import build_hook
    from edge_bundle.layout import Layout
    from edge_bundle.walk import walk_source

    with Layout.open(bundle) as layout:
        release = walk_source(layout.index, layout, trust_policy(owner_keys, threshold), profile)
    built = build_hook(release, target=target, profile=profile, origin=origin, out_dir=out, force=force)
    settings = built.settings
    value = {
        "target": built.target,
        "out": str(built.out_dir),
        "files": built.files,
        "model": settings.model,
        "version": settings.version,
        "variant_digest": settings.variant_digest,
        "origin": settings.origin,
        "cache": {"enabled": settings.cache.enabled, "reason": settings.cache.reason},
    }
    emit(value, as_json=as_json, render=lambda: facts("", value))
