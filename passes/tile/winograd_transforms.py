"""The transforms of Winograd's minimal filtering, and the vector instructions that compute them.

F(m, 3) gives m neighbouring outputs of a filter of three taps with m + 2 products: A^T [(G g) * (B^T d)]. Its matrices
are those of Toom and Cook's product of polynomials at m + 1 points and infinity. Applied to rows and then to columns it
gives m x m outputs of a 3x3 filter with (m + 2)^2 products instead of 9 m^2 (Lavin and Gray, "Fast Algorithms for
Convolutional Neural Networks", CVPR 2016).

The points decide how much rounding errors grow. 0, 1, -1 for m = 2 are the usual ones. For m = 4 the usual 0, +-1, +-2
make four times the error of a direct convolution; 0, +-5/8, +-3/2 make twice it. They were found by measuring all pairs
of sixteenths, as Barabasz and others do in "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep
Neural Networks", ACM TOMS 2020. All entries of A and B are exact in f32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import prod, sqrt
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = tuple[tuple[Fraction, ...], ...]

TAPS = 3
#: The points of F(m, 3) besides infinity, by m.
POINTS = {2: ("0", "1", "-1"), 4: ("0", "5/8", "-5/8", "3/2", "-3/2")}
#: Half a unit in the last place of f32, and how much of it a sum of n terms makes on average for each root of n:
#: partial sums grow like it, and each is rounded once.
HALF_ULP, ROUNDING = 2.0**-24, 0.28


@dataclass(frozen=True)
class Form:
    """F(m, 3): `m` outputs from `size` = m + 2 inputs. `outputs` is A^T, `weights` G, `inputs` B^T."""

    m: int
    outputs: Matrix
    weights: Matrix
    inputs: Matrix

    @property
    def size(self) -> int:
        """The inputs, and the products, of m outputs."""
        return self.m + TAPS - 1

    def __str__(self) -> str:
        return f"F({self.m}x{self.m}, {TAPS}x{TAPS})"

    def growth(self) -> float:
        """How much larger than the result's own the terms of a result are, in two dimensions, for random inputs."""
        norms = [
            sum(g * g for g in weights) * sum(b * b for b in inputs)
            for weights, inputs in zip(self.weights, self.inputs, strict=True)
        ]
        power = sum(sum(a * a * norm for a, norm in zip(row, norms, strict=True)) for row in self.outputs)
        return float(power / self.m / TAPS)

    def expected_error(self, channels: int) -> float:
        """The relative error (L2) of a convolution in f32 that sums over so many channels."""
        return ROUNDING * HALF_ULP * self.growth() * sqrt(channels)


def direct_error(terms: int) -> float:
    """What `Form.expected_error` is for a direct convolution, which sums over channels and taps."""
    return ROUNDING * HALF_ULP * sqrt(terms)


@cache
def form(m: int) -> Form:
    """F(m, 3) for one of the m in `POINTS`."""
    points = [Fraction(point) for point in POINTS[m]]
    outputs = [(*(p**i for p in points), Fraction(i == m - 1)) for i in range(m)]
    weights: list[tuple[Fraction, ...]] = []
    inputs: list[tuple[Fraction, ...]] = []
    for point in points:
        others = [other for other in points if other != point]
        scale = prod((point - other for other in others), start=Fraction(1))
        weights.append(tuple(point**i / scale for i in range(TAPS)))
        inputs.append((*_from_roots(others), Fraction(0)))
    weights.append(tuple(Fraction(i == TAPS - 1) for i in range(TAPS)))
    inputs.append(_from_roots(points))
    return Form(m, tuple(outputs), tuple(weights), tuple(inputs))


def _from_roots(roots: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The coefficients of the monic polynomial with these roots, the constant first."""
    found = [Fraction(1)]
    for root in roots:
        found = [a - root * b for a, b in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return tuple(found)


def transform_weights(form: Form, weights: NDArray[Any]) -> NDArray[Any]:
    """G g G^T of weights [filters, channels, 3, 3] as f64 [size * size, channels, filters]."""
    matrix = np.array([[float(g) for g in row] for row in form.weights])
    filters, channels = weights.shape[:2]
    flat = weights.transpose(2, 3, 1, 0).reshape(9, channels * filters).astype(np.float64)
    # One product for both sides: einsum multiplies filter by filter, and takes most of a compilation.
    return (np.kron(matrix, matrix) @ flat).reshape(form.size * form.size, channels, filters)


#: A vector that a step reads or writes: an input, an output or a temporary by number, or what each sum begins with.
Name: TypeAlias = tuple[Literal["in", "out", "temporary", "start"], int]
START: Name = ("start", 0)


@dataclass(frozen=True)
class Step:
    """One vector instruction: `op` (add, sub, mul, fma, copy) of its operands, in the order of the instruction's."""

    op: str
    dst: Name
    operands: tuple[Name | float, ...]
    last: bool = False  # whether an output is complete


@cache
def by_rows(matrix: Matrix) -> tuple[Step, ...]:
    """A matrix times a vector where pairs of rows agree but for signs, as in B^T: what they share is computed once."""
    steps: list[Step] = []
    inputs: list[Name] = [("in", j) for j in range(len(matrix[0]))]
    done = set[int]()
    for i, row in enumerate(matrix):
        twin = next((k for k in range(i + 1, len(matrix)) if k not in done and _is_twin(row, matrix[k], 3)), None)
        if i in done:
            continue
        if twin is None:
            steps += _sum(row, inputs, ("out", i))
            continue
        done.add(twin)
        even = [a if a == b else Fraction(0) for a, b in zip(row, matrix[twin], strict=True)]
        odd = [a - b for a, b in zip(row, even, strict=True)]
        shared: tuple[Name, Name] = (("out", i), ("temporary", 0))
        steps += _sum(even, inputs, shared[0]) + _sum(odd, inputs, shared[1])
        steps += [Step("sub", ("out", twin), shared), Step("add", ("out", i), shared)]
    return _marked(steps)


@cache
def by_columns(matrix: Matrix, started: bool = False) -> tuple[Step, ...]:
    """A matrix times a vector where pairs of columns agree but for signs, such as A^T: sums and differences come first.

    `started` says that each output begins with `START`.
    """
    steps: list[Step] = []
    columns, done, count = list(zip(*matrix, strict=True)), set[int](), 0
    terms: list[tuple[Name, Sequence[Fraction]]] = []
    for j, column in enumerate(columns):
        twin = next((k for k in range(j + 1, len(columns)) if k not in done and _is_twin(column, columns[k], 2)), None)
        if j in done:
            continue
        if twin is None:
            terms.append((("in", j), column))
            continue
        done.add(twin)
        pair: tuple[Name, Name] = (("in", j), ("in", twin))
        even = [a if a == b else Fraction(0) for a, b in zip(column, columns[twin], strict=True)]
        odd = [a - b for a, b in zip(column, even, strict=True)]
        for op, part in (("add", even), ("sub", odd)):
            steps.append(Step(op, ("temporary", count), pair))
            terms.append((("temporary", count), part))
            count += 1
    for i in range(len(matrix)):
        row, names = [part[i] for _, part in terms], [name for name, _ in terms]
        steps += _sum(row, names, ("out", i), START if started else None)
    return _marked(steps)


def _is_twin(a: Sequence[Fraction], b: Sequence[Fraction], least: int) -> bool:
    """Whether two rows are equal but for signs, with enough entries for sharing to save something."""
    return a != b and sum(map(bool, a)) >= least and all(abs(x) == abs(y) for x, y in zip(a, b, strict=True))


def _sum(factors: Sequence[Fraction], names: Sequence[Name], dst: Name, start: Name | None = None) -> list[Step]:
    """dst = start + the sum of factors times vectors, those with factors of 1 first."""
    terms = sorted((item for item in zip(factors, names, strict=True) if item[0]), key=lambda t: (t[0] != 1, abs(t[0])))
    steps: list[Step] = []
    total = start
    for factor, name in terms:
        if total is None and factor == 1:
            total = name
            continue
        if total is None:
            steps.append(Step("mul", dst, (name, float(factor))))
        elif abs(factor) == 1:
            steps.append(Step("add" if factor == 1 else "sub", dst, (total, name)))
        else:
            steps.append(Step("fma", dst, (name, float(factor), total)))
        total = dst
    if total != dst:
        assert total is not None, "no row of a transform is zero"
        steps.append(Step("copy", dst, (total,)))
    return steps


def _marked(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps, of which those that complete an output say so."""
    last = {step.dst: i for i, step in enumerate(steps) if step.dst[0] == "out"}
    return tuple(replace(step, last=last.get(step.dst) == i) for i, step in enumerate(steps))


def temporaries(steps: Sequence[Step]) -> int:
    """How many temporary vectors the steps use."""
    return len({step.dst for step in steps if step.dst[0] == "temporary"})
