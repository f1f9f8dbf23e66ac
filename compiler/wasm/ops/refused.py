"""Why operators that no kernel will ever take are refused: the reason in the error, instead of "no kernel"."""

from __future__ import annotations

from collections.abc import Mapping

_BY_DATA = "the shape of its output depends on the data"
_RANDOM = "it is random, and a module gives the same bits for the same input"
_STRINGS = "modules hold numbers, no strings"
_BOXED = "modules hold tensors, no sequences or optionals"

REASONS: Mapping[str, str] = {
    **dict.fromkeys(("Compress", "NonMaxSuppression", "NonZero", "Unique"), _BY_DATA),
    **dict.fromkeys(
        ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"), _RANDOM
    ),
    **dict.fromkeys(("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"), _STRINGS),
    **dict.fromkeys(
        ("ConcatFromSequence", "Optional", "OptionalGetElement", "OptionalHasElement", "SequenceAt",
         "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength", "SequenceMap",
         "SplitToSequence"),
        _BOXED,
    ),
    "ImageDecoder": "images are decoded before the model",
    "TfIdfVectorizer": "n-grams are counted before the model",
}  # fmt: skip
"""Operator -> reason."""

NO_KERNEL = "the operator has no kernel"
"""The reason for all other operators."""
