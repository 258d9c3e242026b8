"""Whether two views of one buffer may meet: never said where they do, and said where a transform needs it."""

from __future__ import annotations

import random
from itertools import product

import pytest

from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Dim, Role, View
from vcc.runtime.native.iteration import never_meet


def domain(*sizes: int) -> list[Dim]:
    return [Dim(f"d{i}", Poly.of(size), size, Role.PARALLEL) for i, size in enumerate(sizes)]


def view(base: int, *strides: int) -> View:
    return View("b", tuple(map(Poly.of, strides)), Poly.of(base))


@pytest.mark.parametrize("seed", range(4))
def test_it_agrees_with_the_elements_themselves(seed: int) -> None:
    chosen, agreed = random.Random(seed), 0
    for _ in range(500):
        sizes = [chosen.randint(1, 4) for _ in range(chosen.randint(1, 3))]
        strides, gap = [chosen.randint(-9, 12) for _ in sizes], chosen.randint(-30, 30)
        places = {
            sum(i * s for i, s in zip(index, strides, strict=True)) for index in product(*(range(n) for n in sizes))
        }
        apart = not places & {gap + place for place in places}
        said = never_meet(view(gap, *strides), view(0, *strides), domain(*sizes))
        assert apart or not said, (sizes, strides, gap)
        agreed += apart == said
    assert agreed > 490  # it may give up, but not often


def test_the_frequencies_of_a_transform_never_meet() -> None:
    sizes, strides = domain(6, 4, 14, 16), (6 * 1792, 448, 32, 1)
    assert all(never_meet(view(1792 * j, *strides), view(0, *strides), sizes) for j in range(1, 6))
    assert not never_meet(view(6 * 1792, *strides), view(0, *strides), sizes)


def test_what_is_not_known_may_meet() -> None:
    sizes = domain(4)
    assert not never_meet(view(8, 1), view(0, 2), sizes)  # other strides
    assert not never_meet(View("b", (Poly.of("n"),), Poly.of(8)), View("b", (Poly.of("n"),), Poly.of(0)), sizes)
    assert not never_meet(View("b", (Poly.of(1),), Poly.of("n")), view(0, 1), sizes)
