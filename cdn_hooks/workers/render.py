"""Files of the ``workers`` target: static modules, ``config.js``, and how to run them in workerd and on Cloudflare."""

from __future__ import annotations

from importlib import resources
from urllib.parse import urlsplit

from cdn_hooks.settings import HookSettings
from edge_bundle import canonical

MODULES = (
    "worker.js",
    "hook.js",
    "guard.js",
    "oip.js",
    "dtypes.js",
    "cache_key.js",
    "answers.js",
    "json_members.js",
    "agent.js",
    "problem.js",
)
"""Modules of the worker, the entry first. The settings are generated beside them."""

SETTINGS_FILE = "config.js"
SETTINGS_PREFIX = b"export default "
"""The settings are a module with one default export, in canonical JSON."""

CACHE_MODULE = "memory_cache.js"
"""The cache service that workerd needs; Cloudflare has its own."""

COMPATIBILITY_DATE = "2026-11-01"
"""Workers runtime behaviour that the modules are tested with."""

DEFAULT_PORTS = {"http": 80, "https": 443}


def render_workers(settings: HookSettings) -> dict[str, bytes]:
    """Every file of the built hook, by name."""
    package = resources.files(__package__)
    files = {name: (package / name).read_bytes() for name in (*MODULES, CACHE_MODULE)}
    files[SETTINGS_FILE] = SETTINGS_PREFIX + canonical.dumps(settings) + b";\n"
    files["package.json"] = canonical.dumps({"private": True, "type": "module"}) + b"\n"
    files["config.capnp"] = _config_capnp(settings).encode()
    files["wrangler.toml"] = _wrangler_toml(settings).encode()
    files["README.md"] = _readme(settings).encode()
    return files


def _config_capnp(settings: HookSettings) -> str:
    modules = ",\n".join(f'    (name = "{name}", esModule = embed "{name}")' for name in (*MODULES, SETTINGS_FILE))
    return f"""\
# Runs this hook in workerd:  workerd serve config.capnp --socket-addr http=*:8787
# The worker can reach the agent and its cache, and nothing else.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "hook", worker = .hook),
    (name = "cache", worker = .cache),
    (name = "agent", external = ({_external(settings.origin)})),
  ],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "hook")],
);

const hook :Workerd.Worker = (
  modules = [
{modules},
  ],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  globalOutbound = "agent",
  cacheApiOutbound = "cache",
);

const cache :Workerd.Worker = (
  modules = [(name = "{CACHE_MODULE}", esModule = embed "{CACHE_MODULE}")],
  compatibilityDate = "{COMPATIBILITY_DATE}",
);
"""


def _external(origin: str) -> str:
    parts = urlsplit(origin)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    address = f'address = "{host}:{parts.port or DEFAULT_PORTS[parts.scheme]}"'
    if parts.scheme == "http":
        return f"{address}, http = ()"
    tls = f'https = (tlsOptions = (trustBrowserCas = true), certificateHost = "{parts.hostname}")'
    return f"{address}, {tls}"


def _wrangler_toml(settings: HookSettings) -> str:
    name = f"skerry-{settings.model}".replace(".", "-").replace("_", "-")
    return f"""\
name = "{name}"
main = "worker.js"
compatibility_date = "{COMPATIBILITY_DATE}"
no_bundle = true
find_additional_modules = true
rules = [{{ type = "ESModule", globs = ["**/*.js"] }}]
"""


def _readme(settings: HookSettings) -> str:
    cache = settings.cache
    caching = f"yes, for {cache.ttl_ms / 1000:g} s" if cache.enabled else f"no: {cache.reason}"
    return f"""\
# Skerry hook for {settings.model} {settings.version}

| | |
|---|---|
| profile | {settings.profile} |
| bundle | `{settings.bundle_digest}` |
| variant | `{settings.variant_digest}` |
| agent | {settings.origin} |
| answers repeats | {caching} |

A module worker without dependencies. It turns away inference requests that break the contract, answers repeats from
the Cache API, and forwards the rest unchanged to the agent: health and metadata of the Open Inference Protocol, of this
model alone. Everything else (metrics, statistics, other models) is answered 404 and never reaches the agent.

The hook answers only for this variant: build it again with each release. While the agent serves another variant, the
hook keeps nothing and only forwards; it finds out from the agent's answers, within {settings.recheck_ms / 1000:g} s,
even if it has nothing but wrong requests to forward.

    workerd serve config.capnp --socket-addr http=*:8787     # anywhere; caches in memory
    wrangler deploy                                          # Cloudflare Workers; caches in their CDN

The agent must be reachable from the worker and should accept requests from nowhere else.
"""
