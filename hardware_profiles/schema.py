"""The hardware profile: one kind of device, how to recognise it, which runtime, precision and limits it has."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from edge_bundle.contract import ModelName
from edge_bundle.manifest import NumericClass, Precision

PROFILE_SCHEMA = 1

Words = Annotated[tuple[ModelName, ...], msgspec.Meta(max_length=64)]
"""Architectures, systems and CPU flags are spelled by the same rule as names."""


class Activations(enum.StrEnum):
    """How quantized variants hold activations: unsigned with a zero point, or symmetric signed (zero point 0).

    ``int8-asymmetric`` is signed with a zero point, as LiteRT wants it. The 16-bit ones go with ``a16w8``.
    """

    UINT8 = "uint8"
    INT8 = "int8"
    INT8_ASYMMETRIC = "int8-asymmetric"
    UINT16 = "uint16"
    INT16 = "int16"


class Fallback(enum.StrEnum):
    """What a layer goes back to where 8 bits cost too much accuracy; ``none``: the device has nothing else."""

    FLOAT = "float"
    INT16 = "int16"
    NONE = "none"


class Requirements(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to recognise the device. An empty list asks for nothing.

    ``arch`` and ``os`` name alternatives (as ``uname`` spells them, lower case); ``cpu_flags`` must all be there (as
    in ``/proc/cpuinfo``), of ``any_cpu_flags`` one; ``accelerator`` is a kind that ``detect`` knows; ``memory_mib`` is
    the least total memory.
    """

    arch: Words = ()
    os: Words = ()
    cpu_flags: Words = ()
    any_cpu_flags: Words = ()
    accelerator: ModelName | None = None
    cores: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 1
    memory_mib: Annotated[int, msgspec.Meta(ge=0, le=1 << 24)] = 0


class ProfileLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a variant may take up on the device: the unpacked artifact, in bytes."""

    max_artifact_bytes: Annotated[int, msgspec.Meta(ge=1, le=1 << 40)] = 512 << 20


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One runtime and precision that a profile allows in a race; the rest is as the profile says."""

    runtime: ModelName
    precision: Precision
    activations: Activations = Activations.UINT8
    options: dict[str, str] = {}


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One hardware profile, as its TOML file says.

    ``activations`` and ``fallback`` matter to quantized variants only. ``threads`` is exact, since results may depend
    on it. ``options`` go to the runtime's engine as they are, but for those that only the compiler reads. Among
    profiles that fit a machine, those are preferred that name a CPU flag in ``favoured_by`` which the machine has, then
    those with the higher ``preference``.

    A profile that is ``on_request`` is compiled for only where it is named. ``race`` lists what ``--race`` measures
    beside the profile's own runtime and precision. ``cpu_nodes`` says whether nodes may run on the CPU where the
    profile's device does not take them; they are listed then. A ``compile_only`` profile has no engine anywhere.
    """

    schema: Annotated[int, msgspec.Meta(ge=PROFILE_SCHEMA, le=PROFILE_SCHEMA)]
    name: ModelName
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    runtime: ModelName
    precision: Precision
    numeric_class: NumericClass
    activations: Activations = Activations.UINT8
    fallback: Fallback = Fallback.FLOAT
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    preference: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    on_request: bool = False
    compile_only: bool = False
    cpu_nodes: bool = False
    race: Annotated[tuple[Candidate, ...], msgspec.Meta(max_length=16)] = ()
    favoured_by: Words = ()
    match: Requirements = Requirements()
    limits: ProfileLimits = ProfileLimits()
    options: dict[str, str] = {}
