"""What a recurrent layer is: its cell, sizes and strides, and where its tensors and weights lie."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES


class Kind(enum.StrEnum):
    """The operator."""

    LSTM = "LSTM"
    GRU = "GRU"
    RNN = "RNN"


GATES = {Kind.LSTM: 4, Kind.GRU: 3, Kind.RNN: 1}
"""Gates of each kind of cell."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Sizes and choices, equal for all directions. ``batch_first`` is ONNX's ``layout`` 1.

    Layout 0 has Y as [time, directions, batch, hidden] and states as [directions, batch, hidden]; layout 1 has them as
    [batch, time, directions, hidden] and [batch, directions, hidden].
    """

    kind: Kind
    time: int
    batch: int
    inputs: int
    hidden: int
    directions: int
    batch_first: bool = False
    linear_before_reset: bool = False
    packed: bool = True

    @property
    def padded(self) -> int:
        """Hidden units, up to whole vectors."""
        return -(-self.hidden // FLOAT_LANES) * FLOAT_LANES

    @property
    def gates(self) -> int:
        """Gates of a cell."""
        return GATES[self.kind]

    @property
    def row_bytes(self) -> int:
        """All gates of one sequence at one time."""
        return self.gates * self.padded * FLOAT_BYTES

    @property
    def state_bytes(self) -> int:
        """The state of one sequence."""
        return self.padded * FLOAT_BYTES

    @property
    def direction_bytes(self) -> int:
        """From one direction to the next, in Y and in a state."""
        return FLOAT_BYTES * self.hidden * (1 if self.batch_first else self.batch)

    @property
    def time_bytes(self) -> int:
        """From one time to the next in Y."""
        return FLOAT_BYTES * self.hidden * self.directions * (1 if self.batch_first else self.batch)

    @property
    def sequence_bytes(self) -> int:
        """From one sequence to the next in Y."""
        return FLOAT_BYTES * self.hidden * (self.time * self.directions if self.batch_first else 1)

    @property
    def state_sequence_bytes(self) -> int:
        """From one sequence to the next in a state."""
        return FLOAT_BYTES * self.hidden * (self.directions if self.batch_first else 1)

    @property
    def start_stride(self) -> int:
        """From one sequence's gates of the input to the next one's, at the same time."""
        return self.row_bytes * (self.time if self.batch_first else 1)

    def scratch(self) -> dict[str, int]:
        """Bytes of the areas in use whatever the weights are."""
        areas = {
            "x": self.time * self.batch * self.row_bytes,
            "gates": self.batch * self.row_bytes,
            "h": self.batch * self.state_bytes,
        }
        if self.kind is Kind.LSTM:
            areas["c"] = self.batch * self.state_bytes
        if self.kind is Kind.GRU and not self.linear_before_reset:
            areas["reset"] = self.batch * self.state_bytes
        return areas

    def flops(self) -> int:
        """Multiplications and additions of the products."""
        rows = self.time * self.batch * self.directions
        return 2 * rows * self.gates * self.hidden * (self.inputs + self.hidden)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Addresses of one direction's weights and of the layer's tensors; 0 where there is none.

    ``second`` and ``second_bias`` are GRU's candidate: its recurrent weights, and their bias before a reset.
    """

    x: int
    first_weights: int
    bias: int
    recurrent: int
    second: int = 0
    second_bias: int = 0
    peepholes: int = 0
    lengths: int = 0
    initial_h: int = 0
    initial_c: int = 0
    y: int = 0
    y_h: int = 0
    y_c: int = 0
