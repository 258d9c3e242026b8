"""Fourier transforms against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance import Case, check, node, parametrize, random


def dft(name: str, shape: tuple[int, ...], axis: int, length: int | None = None, **attributes: Any) -> Case:
    """A DFT in opset 20, where the axis is an input."""
    constants = {"axis": np.array(axis)} | ({} if length is None else {"n": np.array(length)})
    made = node("DFT", ["x", "" if length is None else "n", "axis"], **attributes)
    return Case(f"dft-{name}", [made], {"x": random(*shape)}, constants, opset=20)


def stft(name: str, samples: int, step: int, frame: int, *, window: bool = True, onesided: int = 1) -> Case:
    """An STFT with a window or a frame length."""
    constants = {"step": np.array(step)}
    constants |= {"w": np.hanning(frame).astype(np.float32)} if window else {"n": np.array(frame)}
    made = node("STFT", ["x", "step", "w" if window else "", *([] if window else ["n"])], onesided=onesided)
    return Case(f"stft-{name}", [made], {"x": random(2, samples, 1)}, constants)


CASES = [
    dft("real", (2, 12, 1), 1),
    dft("onesided", (2, 12, 1), 1, onesided=1),
    dft("complex", (2, 15, 2), 1),
    dft("inverse", (2, 15, 2), 1, inverse=1),
    dft("first-axis", (10, 3, 4, 2), 0),
    dft("filled-up", (2, 12, 1), 1, 20),
    dft("cut", (2, 12, 2), 1, 7),
    stft("window", 200, 16, 32),
    stft("rest", 205, 16, 32, onesided=0),
    stft("length", 200, 10, 25, window=False),
]


@parametrize(CASES)
def test_transforms(case: Case, target: str):
    check(case, target)
