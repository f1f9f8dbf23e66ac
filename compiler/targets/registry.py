"""Runtime -> its target. Importing this module imports no toolchain."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from compiler.targets.target import Target
from edge_bundle.errors import InvalidInputError
from hardware_profiles.schema import Profile

TARGETS: Mapping[str, str] = {
    "ethos-u": "compiler.targets.ethos_u",
    "litert": "compiler.targets.litert",
    "onnxruntime": "compiler.targets.onnxruntime",
    "openvino": "compiler.targets.openvino",
    "qnn": "compiler.targets.qnn",
    "rockchip": "compiler.targets.rockchip",
    "wasm": "compiler.targets.wasm",
}
"""Runtime -> the module whose ``lower`` makes its artifact; it is imported when it is used."""


def target_of(profile: Profile) -> Target:
    """The target of the profile's runtime. Raises ``InvalidInputError`` for a runtime that none is written for."""
    module = TARGETS.get(profile.runtime)
    if module is None:
        raise InvalidInputError(
            file=f"profile {profile.name}",
            key="runtime",
            expected=f"one of {', '.join(sorted(TARGETS))}",
            got=repr(profile.runtime),
        )
    return cast(Target, importlib.import_module(module).lower)
