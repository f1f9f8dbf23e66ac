"""Calibration and evaluation sets: bounded ``.npz`` files with one array per contract input, checked completely.

Layout: every input array has one row per sample. Where the contract's input has a leading batch dimension (``-1`` or
``1``) that dimension is the row; otherwise rows are stacked in front. An evaluation set may also have ``labels``
(numbers, one row per sample; what they must be is the metric's to say) and ``slice`` (text, one per row) to report
accuracy per slice.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_bundle.contract import OnViolation, TensorRule
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import InvalidInputError, LimitExceededError
from edge_bundle.regular_file import read_regular
from edge_bundle.tensor import DYNAMIC
from edge_runtime.one_line import one_line

MAX_FILE_BYTES = 4 << 30
"""Largest ``.npz`` file read; it is held in memory."""

MAX_UNPACKED_BYTES = 8 << 30
"""Most bytes of all arrays together, as the zip directory declares them (a zip bomb is refused before unpacking)."""

MAX_ARRAYS = 66
"""Most arrays in one file: the contract's limit of 64 inputs, ``labels`` and ``slice``."""

MAX_SLICES = 64
"""Most distinct slices; each becomes a row of the proof."""

MAX_SLICE_NAME_CHARS = 100
"""Longest slice name, in characters."""

LABELS, SLICE = "labels", "slice"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Checked samples. ``arrays[name][i:i+1]`` (or ``[i]``, see ``row``) is input ``name`` of sample ``i``."""

    digest: str
    samples: int
    arrays: dict[str, NDArray[np.generic]]
    stacked: frozenset[str]
    labels: NDArray[np.generic] | None
    slices: tuple[str, ...]

    def row(self, index: int) -> dict[str, NDArray[np.generic]]:
        """One sample as engine inputs: a batch of one where the contract has a batch dimension."""
        return {
            name: np.asarray(array[index]) if name in self.stacked else array[index : index + 1]
            for name, array in self.arrays.items()
        }


def load_calibration(path: Path, rules: Sequence[TensorRule]) -> Dataset:
    """Read a calibration set; labels and slices in it are ignored.

    Raises:
        InvalidInputError: names the array, what the contract expects, and what was found.
        LimitExceededError: the file or its arrays are too large.

    """
    return _load(path, rules, labelled=False)


def load_evaluation(path: Path, rules: Sequence[TensorRule]) -> Dataset:
    """Read an evaluation set with its labels and slices, where it has them; raises like ``load_calibration``."""
    return _load(path, rules, labelled=True)


def row_shape(rule: TensorRule) -> tuple[int, ...]:
    """The shape of one sample of a tensor: without the leading batch dimension, where there is one."""
    return rule.shape[1:] if _has_batch(rule) else rule.shape


def _load(path: Path, rules: Sequence[TensorRule], *, labelled: bool) -> Dataset:
    data = _read(path)
    file = str(path)
    found = _unpack(data, file)
    wanted = [rule.name for rule in rules]
    extra = sorted(set(found) - set(wanted) - {LABELS, SLICE})
    if extra:
        raise InvalidInputError(
            file=file,
            key=extra[0],
            expected=_names(wanted, labelled),
            got="an unknown array",
            advice="name each array as the contract's input that it feeds",
        )
    stacked = frozenset(rule.name for rule in rules if not _has_batch(rule))
    arrays = {rule.name: _input(found, rule, file) for rule in rules}
    samples = _same_rows(arrays, file)
    return Dataset(
        digest=sha256_digest(data),
        samples=samples,
        arrays=arrays,
        stacked=stacked,
        labels=_labels(found, samples, file) if labelled else None,
        slices=_slices(found, samples, file) if labelled else (),
    )


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, max_bytes=MAX_FILE_BYTES)
    except OSError as error:
        raise InvalidInputError(
            file=str(path), expected="a readable .npz file", got=error.strerror or str(error)
        ) from error


def _unpack(data: bytes, file: str) -> dict[str, NDArray[np.generic]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            sizes = [entry.file_size for entry in archive.infolist()]
        if len(sizes) > MAX_ARRAYS:
            raise LimitExceededError(what=file, limit=MAX_ARRAYS, got=len(sizes), unit="arrays")
        if sum(sizes) > MAX_UNPACKED_BYTES:
            raise LimitExceededError(what=file, limit=MAX_UNPACKED_BYTES, got=sum(sizes), unit="bytes")
        with np.load(io.BytesIO(data), allow_pickle=False) as archive_:
            found = {name: archive_[name] for name in archive_.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError, MemoryError) as error:
        # MemoryError: an array's own header may promise more than its member holds, and numpy makes room first.
        raise InvalidInputError(
            file=file,
            expected="a .npz file of plain arrays",
            got=one_line(error),
            advice="write it with numpy.savez_compressed(path, name=array, ...); objects and pickles are refused",
        ) from error
    for name, array in found.items():
        if not isinstance(array, np.ndarray):  # numpy hands out a member without the .npy magic as bytes
            raise InvalidInputError(file=file, key=name, expected="a plain array", got="other bytes")
    return found


def _names(wanted: Sequence[str], labelled: bool) -> str:
    return "arrays " + ", ".join([*wanted, *([LABELS, f"and optionally {SLICE}"] if labelled else [])])


def _has_batch(rule: TensorRule) -> bool:
    return bool(rule.shape) and rule.shape[0] in (DYNAMIC, 1)


def _input(found: dict[str, NDArray[np.generic]], rule: TensorRule, file: str) -> NDArray[np.generic]:
    row = row_shape(rule)
    shape = f"({', '.join(['samples', *map(str, row)])})"
    expected = f"{rule.dtype.value} of shape {shape}"
    array = found.get(rule.name)
    if array is None:
        got = f"only arrays {', '.join(sorted(found)) or 'of no name'}"
        raise InvalidInputError(file=file, key=rule.name, expected=expected, got=got)
    if array.dtype != np.dtype(rule.dtype.numpy_name) or array.shape[1:] != row or array.ndim != len(row) + 1:
        raise InvalidInputError(
            file=file,
            key=rule.name,
            expected=expected,
            got=f"{array.dtype} of shape {array.shape}",
            advice="store the array as the contract's input says, one row per sample",
        )
    if not len(array):
        raise InvalidInputError(file=file, key=rule.name, expected="at least one sample", got="none")
    _check_values(array, rule, file)
    return np.ascontiguousarray(array)


def _check_values(array: NDArray[np.generic], rule: TensorRule, file: str) -> None:
    """A proof over values that the agent would reject, or change by clipping, would prove nothing."""
    if rule.dtype.is_float and not rule.allow_nan:
        _refuse(file, rule.name, "finite numbers", array, ~np.isfinite(array))
    if rule.on_violation is OnViolation.FLAG:
        return
    if rule.minimum is not None:
        _refuse(file, rule.name, f"values of at least {rule.minimum}", array, array < rule.minimum)  # type: ignore[operator]
    if rule.maximum is not None:
        _refuse(file, rule.name, f"values of at most {rule.maximum}", array, array > rule.maximum)  # type: ignore[operator]


def _refuse(file: str, name: str, expected: str, array: NDArray[np.generic], bad: NDArray[np.bool_]) -> None:
    if not bad.any():
        return
    first = np.unravel_index(int(np.argmax(bad)), bad.shape)
    raise InvalidInputError(
        file=file,
        key=name,
        expected=expected,
        got=f"{array[first]} in sample {int(first[0])}, {int(bad.sum())} such values in all",
        advice="clean the data, or widen the contract's range",
    )


def _same_rows(arrays: dict[str, NDArray[np.generic]], file: str) -> int:
    counts = {name: len(array) for name, array in arrays.items()}
    first, samples = next(iter(counts.items()))
    for name, count in counts.items():
        if count != samples:
            raise InvalidInputError(
                file=file, key=name, expected=f"{samples} samples, as in {first!r}", got=f"{count} samples"
            )
    return samples


def _labels(found: dict[str, NDArray[np.generic]], samples: int, file: str) -> NDArray[np.generic] | None:
    labels = found.get(LABELS)
    if labels is not None and (labels.shape[:1] != (samples,) or labels.dtype.kind not in "biuf"):
        got = f"{labels.dtype} of shape {labels.shape}"
        raise InvalidInputError(file=file, key=LABELS, expected=f"{samples} rows of numbers, one per sample", got=got)
    return labels


def _slices(found: dict[str, NDArray[np.generic]], samples: int, file: str) -> tuple[str, ...]:
    slices = found.get(SLICE)
    if slices is None:
        return ()
    if slices.shape != (samples,) or slices.dtype.kind != "U":
        got = f"{slices.dtype} of shape {slices.shape}"
        raise InvalidInputError(file=file, key=SLICE, expected=f"{samples} texts, one per sample", got=got)
    names = tuple(str(name) for name in slices)
    if "" in names:
        raise InvalidInputError(
            file=file,
            key=SLICE,
            expected="a name for every sample",
            got=f"none for {names.count('')} of {samples}, first sample {names.index('')}",
            advice='slices cover the whole set: give the rest a name too, such as "other"',
        )
    if odd := next((name for name in names if not name.isprintable()), ""):
        raise InvalidInputError(
            file=file, key=SLICE, expected="names of characters that print", got=ascii(odd), advice="rename the slice"
        )
    if len(set(names)) > MAX_SLICES:
        raise LimitExceededError(what=f"{file}: {SLICE}", limit=MAX_SLICES, got=len(set(names)), unit="slices")
    if (longest := max(map(len, names))) > MAX_SLICE_NAME_CHARS:
        raise LimitExceededError(what=f"{file}: {SLICE}", limit=MAX_SLICE_NAME_CHARS, got=longest, unit="characters")
    return names
