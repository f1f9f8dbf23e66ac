"""A small convolutional network in numpy, trained by arithmetic that gives the same bits on every machine.

Matrix libraries add in an order that depends on the processor and its core count, and floating point sums depend on
their order. Here every factor of a matrix product is rounded to multiples of ``GRID`` first, so that all partial sums
fit the 53 bits of a double: the sums are exact and their order no longer matters. What is left (``+ - * / sqrt`` by
element) is exact by IEEE 754; ``exp`` is rounded to the grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Parameters = dict[str, Array]

GRID = 2.0**-18
CLASSES = 10
CHANNELS = (1, 32, 64)
"""Channels of the image and of the two convolutions."""
FEATURES = CHANNELS[2] * 2 * 2
"""8x8 pixels, halved twice."""
KERNEL = 3

SHAPES = {
    "conv1.weight": (CHANNELS[1], CHANNELS[0], KERNEL, KERNEL),
    "conv1.bias": (CHANNELS[1],),
    "conv2.weight": (CHANNELS[2], CHANNELS[1], KERNEL, KERNEL),
    "conv2.bias": (CHANNELS[2],),
    "dense.weight": (CLASSES, FEATURES),
    "dense.bias": (CLASSES,),
}


def on_grid(values: Array) -> Array:
    """``values`` rounded to multiples of ``GRID``."""
    return np.asarray(np.round(values / GRID) * GRID)


def exact_matmul(a: Array, b: Array) -> Array:
    """``a @ b`` without rounding errors, whatever the order of the additions.

    Raises:
        OverflowError: the factors are too large for exact sums at this grid.

    """
    a, b = on_grid(a), on_grid(b)
    largest_sum = np.abs(a).max() * np.abs(b).max() * a.shape[-1]
    if largest_sum / GRID**2 >= 2.0**53:
        raise OverflowError(f"sums up to {largest_sum} do not fit a double at grid {GRID}")
    return np.asarray(a @ b)


def columns(images: Array) -> Array:
    """Every 3x3 neighbourhood of ``[n, c, h, w]``, padded by one, as rows ``[n * h * w, c * 9]`` (im2col)."""
    n, c, h, w = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (KERNEL, KERNEL), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * KERNEL * KERNEL)


def images_of_columns(rows: Array, shape: tuple[int, int, int, int]) -> Array:
    """The transpose of ``columns``: adds every neighbourhood back to its pixels."""
    n, c, h, w = shape
    windows = on_grid(rows).reshape(n, h, w, c, KERNEL, KERNEL)
    padded = np.zeros((n, c, h + 2, w + 2))
    for dy in range(KERNEL):
        for dx in range(KERNEL):
            padded[:, :, dy : dy + h, dx : dx + w] += windows[..., dy, dx].transpose(0, 3, 1, 2)
    return padded[:, :, 1:-1, 1:-1]


class Convolution:
    """3x3 convolution with padding 1, ReLU, then 2x2 maximum: ``[n, c, h, w]`` to ``[n, k, h / 2, w / 2]``."""

    def __init__(self, weight: Array, bias: Array) -> None:
        self.kernel = weight.reshape(len(weight), -1)
        self.bias = bias

    def forward(self, images: Array) -> Array:
        """Keeps what ``backward`` needs."""
        n, _, h, w = self.shape = images.shape
        self.rows = columns(images)
        linear = exact_matmul(self.rows, self.kernel.T) + on_grid(self.bias)
        self.active = linear > 0
        cells = (linear * self.active).reshape(n, h // 2, 2, w // 2, 2, -1).transpose(0, 5, 1, 3, 2, 4)
        cells = cells.reshape(*cells.shape[:4], 4)
        self.winners = np.eye(4)[cells.argmax(-1)]
        return np.asarray(cells.max(-1))

    def backward(self, gradient: Array) -> tuple[Array, Array, Array]:
        """Gradients of weight, bias and input, summed over the batch."""
        n, k, h, w = gradient.shape
        spread = (gradient[..., None] * self.winners).reshape(n, k, h, w, 2, 2).transpose(0, 2, 4, 3, 5, 1)
        linear = on_grid(spread.reshape(-1, k) * self.active)
        weight = exact_matmul(linear.T, self.rows).reshape(k, self.shape[1], KERNEL, KERNEL)
        inputs = images_of_columns(exact_matmul(linear, self.kernel), self.shape)
        return weight, linear.sum(0), inputs


def probabilities(parameters: Parameters, images: Array) -> Array:
    """Class probabilities ``[n, 10]`` of images ``[n, 1, 8, 8]`` in 0..1."""
    return _forward(parameters, images)[0]


def gradients(parameters: Parameters, images: Array, labels: NDArray[np.int64]) -> Parameters:
    """Mean gradient of the cross-entropy over the batch, by parameter name."""
    answers, features, first, second = _forward(parameters, images)
    error = on_grid(answers - np.eye(CLASSES)[labels])
    found = {"dense.weight": exact_matmul(error.T, features), "dense.bias": error.sum(0)}
    back = exact_matmul(error, parameters["dense.weight"]).reshape(-1, CHANNELS[2], 2, 2)
    found["conv2.weight"], found["conv2.bias"], back = second.backward(back)
    found["conv1.weight"], found["conv1.bias"], _ = first.backward(back)
    return {name: value / len(images) for name, value in found.items()}


def _forward(parameters: Parameters, images: Array) -> tuple[Array, Array, Convolution, Convolution]:
    first = Convolution(parameters["conv1.weight"], parameters["conv1.bias"])
    second = Convolution(parameters["conv2.weight"], parameters["conv2.bias"])
    features = second.forward(first.forward(images)).reshape(len(images), FEATURES)
    scores = exact_matmul(features, parameters["dense.weight"].T) + on_grid(parameters["dense.bias"])
    weights = on_grid(np.exp(scores - scores.max(1, keepdims=True)))
    return weights / weights.sum(1, keepdims=True), features, first, second


class Adam:
    """Adam (Kingma and Ba, 2015) with a learning rate that falls linearly to zero over ``steps``."""

    BETAS = (0.9, 0.999)
    EPSILON = 1e-8

    def __init__(self, parameters: Parameters, *, learning_rate: float, steps: int) -> None:
        self.learning_rate, self.steps, self.step = learning_rate, steps, 0
        self.means = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.squares = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.unseen = [1.0, 1.0]

    def update(self, parameters: Parameters, found: Parameters) -> None:
        """Move every parameter, in place."""
        rate = self.learning_rate * (1 - self.step / self.steps)
        self.step += 1
        self.unseen = [left * beta for left, beta in zip(self.unseen, self.BETAS, strict=True)]
        for name, gradient in found.items():
            self.means[name] = self.BETAS[0] * self.means[name] + (1 - self.BETAS[0]) * gradient
            self.squares[name] = self.BETAS[1] * self.squares[name] + (1 - self.BETAS[1]) * gradient * gradient
            mean = self.means[name] / (1 - self.unseen[0])
            square = self.squares[name] / (1 - self.unseen[1])
            parameters[name] -= rate * mean / (np.sqrt(square) + self.EPSILON)
