"""GridSample against ONNX Runtime."""

from __future__ import annotations

from conformance import NATIVE, TINY, Case, check, node, parametrize, random

MODES = ("linear", "nearest", "cubic")
PADDINGS = ("zeros", "border", "reflection")


def grid_sample(mode: str, padding: str, corners: int, shape: tuple[int, ...] = (2, 3, 6, 7)) -> Case:
    """Samples of which some lie outside."""
    rank = len(shape) - 2
    feeds = {"x": random(*shape), "g": random(shape[0], *(5, 4, 3)[:rank], rank, low=-1.4, high=1.4)}
    made = node("GridSample", "x g", mode=mode, padding_mode=padding, align_corners=corners)
    name = "-".join(map(str, (mode, padding, corners, *shape)))
    return Case(name, [made], feeds, opset=20, targets=(NATIVE, TINY) if corners else (NATIVE,))


CASES = [
    *(grid_sample(mode, padding, corners) for mode in MODES for padding in PADDINGS for corners in (0, 1)),
    grid_sample("linear", "zeros", 0, (1, 2, 4, 5, 3)),
    grid_sample("nearest", "border", 1, (1, 2, 4, 5, 3)),
    grid_sample("linear", "border", 0, (2, 1, 6, 7)),
]


@parametrize(CASES)
def test_grid_sample(case: Case, target: str):
    check(case, target)
