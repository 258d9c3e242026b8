"""Images for the tests of the binary: how to compare two, one that has something of everything, random ones."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st
from isa_strategies import EXAMPLE, kernels

from vcc.runtime.binary.format import HEADER, MAGIC, SECTION, VERSION, Section
from vcc.runtime.binary.image import Constant, Image, LiveRange, Value
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.host import HostCall, HostProgram, HostTensor, Launch, Ref, Space, TensorSpec

F32 = BY_NAME["f32"]


def example_image() -> Image:
    """An image with every kind of section entry; its launch fits its kernel."""
    constants = (
        Constant("w", np.arange(9 * 16 * 32, dtype=np.float32), "panels of 16"),
        Constant("half", np.array([1.5, -2], ml_dtypes.bfloat16)),
        Constant("mask", np.array([True, False, True])),
        Constant("none", np.zeros(0, np.int64)),
        Constant("last", np.array([7], np.uint8)),
    )
    place = Ref(Space.ARENA, 0, 64)
    operands = (HostTensor(place, F32, (1, 8)), HostTensor(None, F32, ()))
    results = (HostTensor(Ref(Space.OUTPUT, 1), BY_NAME["i64"], (1, 3)), HostTensor(None, F32, (1, 3)))
    call = HostCall("ai.onnx", "TopK", 11, b"\x08\x01node", operands, results, (1,), (1, -1), "no kernel")
    launch = Launch("conv", (Ref(Space.INPUT), Ref(Space.CONST), Ref(Space.OUTPUT), 1), ((0, 1),))
    host = HostProgram(
        (TensorSpec("image", F32, (1, 16, 56, 56)),),
        (TensorSpec("out", F32, (1, 32, 56, 56)), TensorSpec("top", BY_NAME["i64"], (1, 3))),
        (launch, call),
        4096,
    )
    return Image(
        kernels=(EXAMPLE,),
        host=host,
        constants=constants,
        nodes=("/conv1/Conv", "/top/TopK·ü"),
        values=(Value("conv1.out", 0, F32, (1, 32, 56, 56), 1, 16), Value("top", 1, BY_NAME["i64"], (1, 3))),
        plan=(LiveRange("t0", 0, 4096, 0, 1),),
        lower_bound=4096,
        machine='name = "m"\n',
        remarks=((0, "fused Relu"), (-1, "")),
    )


@st.composite
def images(draw: st.DrawFn) -> Image:
    """The example with random kernels in the place of its own, one of them launched."""
    drawn = tuple(draw(kernels(f"kernel_{number}")) for number in range(draw(st.integers(1, 3))))
    launch = Launch(drawn[-1].name, (Ref(Space.CONST, 2, 12), -5), ((), (3, 4)), (-1, 2))
    image = example_image()
    return replace(image, kernels=drawn, host=replace(image.host, steps=(launch,)))


def comparable(image: Image) -> Any:
    """Something that is equal for equal images: arrays become their dtype and bytes."""
    arrays = tuple((c.name, c.note, c.data.dtype, c.data.shape, c.data.tobytes()) for c in image.constants)
    return replace(image, constants=()), arrays


def with_checksums(data: bytes | bytearray) -> bytes:
    """The bytes with every checksum (and the file size) made right, so that damage is left for later checks."""
    fixed = bytearray(data)
    for number in range(len(Section)):
        at = HEADER.size + SECTION.size * number
        kind, _, offset, size = SECTION.unpack_from(fixed, at)
        checksum = zlib.crc32(fixed[offset : offset + size])
        SECTION.pack_into(fixed, at, kind, checksum, offset, size)
    table = bytes(fixed[HEADER.size : HEADER.size + SECTION.size * len(Section)])
    head = (MAGIC, VERSION, len(Section), len(fixed))
    HEADER.pack_into(fixed, 0, *head, zlib.crc32(HEADER.pack(*head, 0) + table))
    return bytes(fixed)


def section_range(data: bytes, section: Section) -> tuple[int, int]:
    """First and last + 1 byte of a section."""
    _, _, offset, size = SECTION.unpack_from(data, HEADER.size + SECTION.size * list(Section).index(section))
    return offset, offset + size


def set_word(data: bytes, at: int, value: int) -> bytes:
    """The bytes with the 32-bit word at byte `at` replaced, checksums right."""
    return with_checksums(data[:at] + struct.pack("<I", value) + data[at + 4 :])
