"""3x3 convolutions by minimal filtering against ONNX Runtime: odd sizes, borders, batches, what is before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import TINY, Case, assert_close, check, compile_model, node, random, reference

from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options
from vcc.runtime.binary.image import Image
from vcc.runtime.native.program import NativeProgram

#: A machine so slow at products that everything that can be filtered is, in small tiles with loops and tails.
FILTERING = str(Path(TINY).with_name("filtering.toml"))


def forms(image: Image) -> list[str]:
    """The forms that an image's remarks name."""
    return [note.split("Winograd's ")[1].split(":")[0] for _, note in image.remarks if "Winograd's " in note]


def conv(
    name: str, x: tuple[int, ...], filters: int, *, pads: int | list[int] = 1, bias: bool = True,
    before: tuple[Any, ...] = (), after: tuple[Any, ...] = (), **feeds: Any,
) -> Case:  # fmt: skip
    """A 3x3 convolution of `before`'s "p" (or the input) to "c" (or the output)."""
    weights = {"w": random(filters, x[1], 3, 3, seed=1)} | ({"b": random(filters, seed=2)} if bias else {})
    sides = [pads] * 4 if isinstance(pads, int) else pads
    middle = node("Conv", ["p" if before else "x", *weights], "c" if after else "y", pads=sides)
    constants = weights | {"u": random(x[1], x[1], 1, 1, seed=3), "v": random(16, filters, 1, 1, seed=4)}
    used = {each for op in (*before, *after) for each in op.input}
    given = {name: array for name, array in constants.items() if name in weights or name in used}
    return Case(name, [*before, middle, *after], {"x": random(*x), **feeds}, given, terms=9 * x[1])


BLOCKED = (node("Conv", "x u", "p"),)
CASES = [
    conv("plain", (1, 16, 12, 12), 16),
    conv("odd", (1, 16, 13, 11), 24, bias=False),
    conv("no-border", (1, 16, 9, 10), 16, pads=0),
    conv("border-on-two-sides", (1, 16, 9, 10), 16, pads=[1, 0, 0, 1]),
    conv("wide-border", (1, 8, 6, 7), 16, pads=2),
    conv("batch", (3, 16, 6, 9), 16),
    conv("few-channels", (1, 3, 10, 10), 17),
    conv("panels", (1, 16, 6, 6), 96),
    conv("channels-in-steps", (1, 96, 6, 6), 16),
    conv("blocked", (1, 32, 14, 14), 32, before=BLOCKED, after=(node("Conv", "c v"),)),
    conv("blocked-odd", (2, 16, 7, 5), 16, before=BLOCKED, after=(node("Relu", "c", "d"), node("Conv", "d v"))),
    conv("relu", (1, 16, 11, 6), 32, before=BLOCKED, after=(node("Relu", "c"),)),
    conv("computed-input", (1, 16, 11, 6), 32, before=(node("Relu", "x", "p"),), after=(node("Sigmoid", "c"),)),
    conv(
        "residual-in-place", (1, 16, 13, 10), 16, before=(node("Conv", "x u", "p"),),
        after=(node("Exp", "r", "e"), node("Add", "c e", "d"), node("Relu", "d", "f"), node("Conv", "f v")),
        r=random(1, 16, 13, 10, seed=5, high=0.0),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_agrees_with_onnx_runtime(case: Case) -> None:
    image = compile_model(case.model(), FILTERING)
    assert forms(image), "the convolution is filtered"
    check(case, FILTERING)
    (actual,) = NativeProgram(image, 2).run(case.feeds)
    assert_close(actual, reference(case.model(), case.feeds)[0], case.terms, f"{case.name}, native")


def test_what_it_is_not_for_is_done_directly() -> None:
    x, w = random(1, 16, 12, 12), random(16, 16, 3, 3, seed=1)
    others: list[dict[str, Any]] = [{"strides": [2, 2]}, {"dilations": [2, 2]}, {"group": 2}]
    for number, attributes in enumerate(others):
        weights = w[:, :8] if "group" in attributes else w
        case = Case(f"other-{number}", [node("Conv", "x w", "y", **attributes)], {"x": x}, {"w": weights})
        assert not forms(compile_model(case.model(), FILTERING)), attributes
    dynamic = Case("dynamic", [node("Conv", "x w", "y")], {"x": x, "w": w})
    assert not forms(compile_model(dynamic.model(), FILTERING))
    half = Case("half", [node("Conv", "x w", "y")], {"x": x.astype(np.float16)}, {"w": w.astype(np.float16)})
    assert not forms(compile_model(half.model(), FILTERING))


def test_kernels_that_quantise_are_left_alone() -> None:
    x, w = random(1, 16, 12, 12), random(16, 16, 3, 3, seed=1)
    scale, zero = np.array(0.25, np.float32), np.array(3, np.uint8)
    nodes = [node("Conv", "x w", "c"), node("QuantizeLinear", "c scale zero", "y")]
    case = Case("quantised", nodes, {"x": x}, {"w": w, "scale": scale, "zero": zero})
    assert not forms(compile_model(case.model(), FILTERING))


def test_many_channels_take_the_form_of_the_smaller_error() -> None:
    found = [forms(compile_model(conv("c", (1, n, 8, 8), 16).model(), FILTERING)) for n in (64, 256)]
    assert found == [["F(4x4, 3x3)"], ["F(2x2, 3x3)"]]


def test_an_option_does_without() -> None:
    case = conv("c", (1, 16, 12, 12), 16)
    image = Compilation.from_model(case.model(), Options(target=FILTERING, winograd=False)).encode()
    assert not forms(image)
