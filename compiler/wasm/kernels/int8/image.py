"""What an integer convolution reads and writes: sizes, windows, and the image with its padding around it."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.wasm.kernels.int8.packing import Format


@dataclass(frozen=True, slots=True)
class Image:
    """What a convolution reads and writes, for one group of channels. Sizes in elements."""

    height: int
    width: int
    channels: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    groups: int
    out_height: int
    out_width: int
    columns: int

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the widened image."""
        top, left, bottom, right = self.pads
        return self.height + top + bottom, self.width + left + right

    @property
    def is_flat(self) -> bool:
        """Whether this is a matrix product over all positions."""
        simple = self.kernel == (1, 1) and self.strides == (1, 1) and not any(self.pads)
        return simple and self.groups == 1

    def scratch_bytes(self, form: Format) -> int:
        """Bytes of the image with its padding."""
        height, width = self.padded
        return form.itemsize * height * width * self.channels

    @property
    def runs(self) -> tuple[int, int]:
        """How many runs a sum has, and elements in one."""
        height, width = self.kernel
        if self.groups == 1 and self.dilations[1] == 1:
            return height, width * self.channels
        return height * width, self.channels // self.groups

    @property
    def key(self) -> str:
        """Tells two of these apart in the name of a shared function."""
        words = (self.height, self.width, self.channels, self.groups, self.out_height, self.out_width, self.columns)
        lists = (self.kernel, self.strides, self.dilations, self.pads)
        return "/".join(map(str, (*words, *(item for part in lists for item in part))))
