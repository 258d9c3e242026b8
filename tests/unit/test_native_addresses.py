"""Where arrays' data is, as numpy says; what is usual in feeds is taken as it is, all else goes the long way."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.runtime.diagnostics import VccError
from vcc.runtime.host.feeds import Signature
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.host import TensorSpec
from vcc.runtime.native.addresses import address

SPEC = TensorSpec("x", BY_NAME["f32"], (3, 5))
SIGNATURE = Signature((SPEC,), (SPEC,))


class Odd(np.ndarray):
    """A subclass."""


def test_addresses_are_those_that_numpy_tells():
    whole = np.zeros((6, 10), np.float32)
    empty, odd = np.zeros((0, 4)), np.zeros(4).view(Odd)
    for array in (whole, whole[2:, 3:], whole.T, empty, odd, np.memmap("/proc/self/exe", np.uint8, "r")):
        assert address(array) == array.ctypes.data


def test_usual_arrays_are_passed_on_and_others_made_usual():
    usual = np.arange(15, dtype=np.float32).reshape(3, 5)
    assert SIGNATURE.inputs({"x": usual})[0] is usual
    raw = np.zeros(61, np.uint8)
    crooked = raw[1:].view(np.float32).reshape(3, 5)
    crooked[...] = usual
    for array in (usual.T.copy().T, crooked, usual.view(Odd)):
        (found,) = SIGNATURE.inputs({"x": array})
        assert found.flags.c_contiguous and found.flags.aligned
        np.testing.assert_array_equal(found, usual)
    assert SIGNATURE.inputs([usual])[0] is usual


def test_usual_places_of_outputs_are_taken_and_others_refused():
    usual = np.zeros((3, 5), np.float32)
    (found,) = SIGNATURE.outputs([usual])
    assert found is usual
    fixed = usual.copy()
    fixed.flags.writeable = False
    for out in ([usual.T.copy().T], [fixed], [usual[:2]], [usual.astype(np.float64)], [usual, usual], []):
        with pytest.raises(VccError, match="E0105"):
            SIGNATURE.outputs(out)


@pytest.mark.parametrize(
    "feeds",
    [
        {"y": np.zeros((3, 5), np.float32)}, {}, [], {"x": np.zeros((3, 5))}, {"x": np.zeros((5, 3), np.float32)},
        {"x": np.zeros((3, 5), ">f4")}, {"x": None}, {"x": np.zeros((3, 5), np.float32), "z": np.zeros(1)},
    ],
)  # fmt: skip
def test_what_does_not_match_is_refused(feeds: object):
    with pytest.raises(VccError, match="E0105"):
        SIGNATURE.inputs(feeds)  # pyright: ignore[reportArgumentType]


def test_outputs_are_fresh():
    first, second = SIGNATURE.outputs(None)[0], SIGNATURE.outputs(None)[0]
    assert first.shape == (3, 5) and first.dtype == np.float32 and not np.shares_memory(first, second)
