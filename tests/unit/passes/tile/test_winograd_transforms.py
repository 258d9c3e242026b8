"""The transforms of minimal filtering: exact in rational numbers, in f32 with the errors that they are said to have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vcc.passes.tile.winograd_transforms import (
    POINTS,
    START,
    Form,
    Matrix,
    Name,
    Step,
    by_columns,
    by_rows,
    direct_error,
    form,
    transform_weights,
)

FORMS = [form(m) for m in POINTS]
Array = NDArray[Any]


def times(matrix: Matrix, vector: Sequence[Fraction]) -> list[Fraction]:
    return [sum((a * b for a, b in zip(row, vector, strict=True)), start=Fraction(0)) for row in matrix]


@pytest.mark.parametrize("chosen", FORMS, ids=str)
def test_a_filter_of_three_taps_exactly(chosen: Form) -> None:
    inputs = [Fraction(7 * i * i - 11 * i + 3, 5) for i in range(chosen.size)]
    taps = [Fraction(3), Fraction(-2, 7), Fraction(5, 3)]
    products = [a * b for a, b in zip(times(chosen.weights, taps), times(chosen.inputs, inputs), strict=True)]
    expected = [sum(taps[k] * inputs[i + k] for k in range(3)) for i in range(chosen.m)]
    assert times(chosen.outputs, products) == expected


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "fma": lambda a, b, c: (np.float64(a) * b + c).astype(np.float32) if isinstance(a, np.ndarray) else a * b + c,
    "copy": lambda a: a,
}


def run(steps: Sequence[Step], inputs: Sequence[Any], start: Any = None) -> list[Any]:
    """The outputs of the steps, each of which is complete once."""
    values: dict[Name, Any] = {START: start}
    values |= {("in", i): value for i, value in enumerate(inputs)}
    complete = list[Name]()
    for step in steps:
        number = Fraction if isinstance(inputs[0], Fraction) else np.float32
        operands = [values[o] if isinstance(o, tuple) else number(o) for o in step.operands]
        values[step.dst] = OPERATIONS[step.op](*operands)
        complete += [step.dst] if step.last else []
    count = sum(1 for name in values if name[0] == "out")
    assert sorted(complete) == [("out", i) for i in range(count)]
    return [values["out", i] for i in range(count)]


@pytest.mark.parametrize("chosen", FORMS, ids=str)
def test_the_steps_are_the_matrices(chosen: Form) -> None:
    vector = [Fraction(i * i - 3 * i + 1, 3) for i in range(chosen.size)]
    assert run(by_rows(chosen.inputs), vector) == times(chosen.inputs, vector)
    assert run(by_columns(chosen.outputs), vector) == times(chosen.outputs, vector)
    begun = run(by_columns(chosen.outputs, started=True), vector, Fraction(5))
    assert begun == [5 + value for value in times(chosen.outputs, vector)]


def test_sharing_saves_instructions() -> None:
    lengths = {chosen.m: (len(by_rows(chosen.inputs)), len(by_columns(chosen.outputs))) for chosen in FORMS}
    assert lengths == {2: (4, 4), 4: (14, 12)}


def direct(x: Array, w: Array) -> Array:
    """The convolution in f64, without a border."""
    height, width = x.shape[1] - 2, x.shape[2] - 2
    parts = [np.tensordot(w[:, :, i, j], x[:, i : i + height, j : j + width], 1) for i in range(3) for j in range(3)]
    return np.sum(parts, axis=0)


def filtered(chosen: Form, x: Array, w: Array) -> Array:
    """The convolution in f32, every sum over channels in order."""
    m, size = chosen.m, chosen.size
    height, width = x.shape[1] - 2, x.shape[2] - 2
    weights = transform_weights(chosen, w).astype(np.float32).reshape(size, size, *w.shape[1::-1])
    blocks = [[x[:, i : i + height : m, j : j + width : m] for j in range(size)] for i in range(size)]
    rows = [run(by_rows(chosen.inputs), [blocks[i][j] for i in range(size)]) for j in range(size)]
    both = [run(by_rows(chosen.inputs), [rows[j][i] for j in range(size)]) for i in range(size)]
    sums = [[np.zeros((w.shape[0], *both[0][0].shape[1:]), np.float32) for _ in range(size)] for _ in range(size)]
    for i in range(size):
        for j in range(size):
            for c in range(x.shape[0]):
                product = weights[i, j, c][:, None, None].astype(np.float64) * both[i][j][c]
                sums[i][j] = (sums[i][j] + product).astype(np.float32)
    back = [run(by_columns(chosen.outputs), [sums[i][j] for i in range(size)]) for j in range(size)]
    result = np.zeros((w.shape[0], height, width), np.float32)
    for y in range(m):
        for x_, value in enumerate(run(by_columns(chosen.outputs), [back[j][y] for j in range(size)])):
            result[:, y::m, x_::m] = value
    return result


@pytest.mark.parametrize("channels", [16, 64, 256])
@pytest.mark.parametrize("chosen", FORMS, ids=str)
def test_errors_are_what_is_expected(chosen: Form, channels: int) -> None:
    rng = np.random.default_rng(channels)
    x = np.maximum(rng.standard_normal((channels, 18, 18)), 0).astype(np.float32)  # as after a ReLU
    w = rng.standard_normal((16, channels, 3, 3)).astype(np.float32)
    exact = direct(x.astype(np.float64), w.astype(np.float64))
    error = np.linalg.norm(filtered(chosen, x, w) - exact) / np.linalg.norm(exact)
    assert 0.5 < error / chosen.expected_error(channels) < 1.5


def test_the_errors_of_the_forms_beside_that_of_a_direct_convolution() -> None:
    ratios = [chosen.expected_error(64) / direct_error(9 * 64) for chosen in FORMS]
    assert ratios == pytest.approx([5 / 9, 1.593], rel=1e-3)
