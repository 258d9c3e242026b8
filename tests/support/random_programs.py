"""Random programs for property tests: images with every kind of directive, constant and host step."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_kernels import kernels

from vcc.runtime.binary.image import Constant, Image, LiveRange, Value
from vcc.runtime.isa.dtypes import DTYPES, DType
from vcc.runtime.isa.host import HostCall, HostProgram, HostTensor, Launch, Ref, Space, Step, TensorSpec
from vcc.runtime.isa.kernel import Kernel, TensorParam

_text = st.text(max_size=12)
_dtype = st.sampled_from(DTYPES)
_shape = st.lists(st.integers(0, 5), max_size=3).map(tuple)
_index = st.integers(0, 5)
_numbers = st.lists(st.integers(-1, 5), max_size=3).map(tuple)
_ref = st.builds(Ref, st.sampled_from(Space), _index, st.integers(0, 2**40))
_tensor = st.builds(HostTensor, st.none() | _ref, _dtype, _shape)
_tensors = st.lists(_tensor, max_size=2).map(tuple)
_spec = st.builds(TensorSpec, _text, _dtype, _shape)
_call = st.builds(
    HostCall, _text, _text, st.integers(-1, 30), st.binary(max_size=200), _tensors, _tensors, _numbers, _numbers, _text
)


def _array(dtype: DType, data: bytes) -> NDArray[Any]:
    usable = data[: len(data) // dtype.size * dtype.size]
    return np.frombuffer(bytes(b & 1 for b in usable) if dtype.kind == "b" else usable, dtype.numpy)


_constant = st.builds(Constant, _text, st.builds(_array, _dtype, st.binary(max_size=100)), _text)
_value = st.builds(Value, _text, st.integers(-1, 9), _dtype, _shape, _index, _index)
_live = st.builds(LiveRange, _text, *[st.integers(0, 2**40)] * 2, _index, _index)


def _launch(draw: st.DrawFn, kernel: Kernel) -> Launch:
    args = [draw(_ref if isinstance(param, TensorParam) else st.integers(-9, 9)) for param in kernel.params]
    groups = draw(st.lists(_numbers, max_size=3).map(tuple))
    return Launch(kernel.name, tuple(args), groups, draw(_numbers))


@st.composite
def images(draw: st.DrawFn) -> Image:
    """One program; its kernels' names differ."""
    found = draw(st.lists(kernels(), max_size=2, unique_by=lambda kernel: kernel.name))
    steps: list[Step] = draw(st.lists(_call, max_size=2))
    steps += [_launch(draw, kernel) for kernel in found]
    specs = st.lists(_spec, max_size=2).map(tuple)
    return Image(
        tuple(found),
        HostProgram(draw(specs), draw(specs), tuple(draw(st.permutations(steps))), draw(st.integers(0, 2**40))),
        tuple(draw(st.lists(_constant, max_size=3))),
        tuple(draw(st.lists(_text, max_size=3))),
        tuple(draw(st.lists(_value, max_size=2))),
        tuple(draw(st.lists(_live, max_size=2))),
        draw(st.integers(0, 2**40)),
        draw(st.text(alphabet="ab =[]\n\"'\\\t\r\x85", max_size=40)),
        tuple(draw(st.lists(st.tuples(st.integers(-1, 9), _text), max_size=2))),
    )


def same_image(a: Image, b: Image) -> bool:
    """Whether two images are equal, constants bit by bit."""

    def key(image: Image) -> tuple[object, ...]:
        rows = [(row.name, row.note, row.data.dtype, row.data.shape, row.data.tobytes()) for row in image.constants]
        others = (image.kernels, image.host, image.nodes, image.values, image.plan, image.remarks)
        return (*others, rows, image.lower_bound, image.machine)

    return key(a) == key(b)
