"""What a toolchain's own environment is made of. Every package is pinned; nothing else is installed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Packages:
    """Pinned packages (``name==version``) and, if PyPI has the wrong build of them, the index to look in as well."""

    pins: tuple[str, ...]
    extra_index: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One environment.

    ``pythons`` are the versions that the vendor has wheels for; ``check`` is what the finished environment must be
    able to run; ``version_of`` is the package whose version is the toolchain's.
    """

    name: str
    title: str
    version_of: str
    pythons: tuple[tuple[int, int], ...]
    packages: tuple[Packages, ...]
    check: str

    @property
    def digest(self) -> str:
        """SHA-256 in hex over everything said here: another recipe is another environment."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def version(self) -> str:
        """The pinned version of ``version_of``."""
        pins = (pin.split("==") for group in self.packages for pin in group.pins)
        return next(version for name, version in pins if name == self.version_of)


RKNN = Recipe(
    name="rknn",
    title="Rockchip RKNN-Toolkit2: compiler and simulator for the NPUs of RK3588 and RK3566",
    version_of="rknn-toolkit2",
    pythons=((3, 11), (3, 12)),
    packages=(
        # Its metadata wants torch<=2.4.0, of which PyPI has only builds with 2 GB of CUDA; 2.13.0 serves it as well.
        Packages(pins=("torch==2.13.0",), extra_index="https://download.pytorch.org/whl/cpu"),
        Packages(
            pins=(
                "rknn-toolkit2==2.3.2",
                "coloredlogs==15.0.1",
                "fast-histogram==0.14",
                "filelock==4.2.11",
                "flatbuffers==25.12.19",
                "fsspec==2026.9.0",
                "humanfriendly==10.0",
                "jinja2==3.1.6",
                "markupsafe==3.0.4",
                "mpmath==1.3.0",
                "networkx==3.6.1",
                "numpy==1.26.4",
                "onnx==1.16.1",
                "onnxruntime==1.18.1",
                "opencv-python-headless==4.10.0.84",
                "packaging==26.3",
                "protobuf==4.25.4",
                "psutil==7.2.2",
                "ruamel.yaml==0.19.1",
                "scipy==1.13.1",
                "setuptools==80.10.2",  # the last with pkg_resources, which the toolkit imports
                "sympy==1.14.0",
                "tqdm==4.70.1",
                "typing-extensions==4.16.0",
            )
        ),
    ),
    check="from rknn.api import RKNN; RKNN(verbose=False).release()",
)

RECIPES: Mapping[str, Recipe] = {RKNN.name: RKNN}
"""Every toolchain that can be installed, by name."""
