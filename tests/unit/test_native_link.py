"""Object files become one image that runs wherever it is mapped; damaged and unsuitable ones are refused."""

from __future__ import annotations

import ctypes
import gc
import random
from pathlib import Path

import numpy as np
import pytest

from vcc.runtime.diagnostics import VccError
from vcc.runtime.native.elf import ObjectError, read_object
from vcc.runtime.native.link import link
from vcc.runtime.native.linked import PAGE, Linked
from vcc.runtime.native.llvm import host_cpu, object_codes
from vcc.runtime.native.mapping import Mapping, can_map

pytestmark = pytest.mark.skipif(not can_map(), reason="images are for x86-64 Linux")

MATHS = """
declare float @sinf(float)
declare i64 @other(i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
@table = private constant [4 x float] [float 1.0, float 2.0, float 3.0, float 4.0]
define float @f(float %x, i64 %i) nounwind {
  %p = getelementptr float, ptr @table, i64 %i
  %c = load float, ptr %p
  %s = call float @sinf(float %x)
  %o = call i64 @other(i64 %i)
  %of = sitofp i64 %o to float
  %r = fadd float %s, %c
  %q = fadd float %r, %of
  ret float %q
}
define void @fill(ptr %p, i64 %n) nounwind {
  call void @llvm.memset.p0.i64(ptr %p, i8 7, i64 %n, i1 false)
  ret void
}
"""
OTHER = """
@hundred = constant i64 100
define i64 @other(i64 %x) nounwind {
  %v = load volatile i64, ptr @hundred
  %r = add i64 %x, %v
  ret i64 %r
}
"""


def compiled(*texts: str) -> list[bytes]:
    return object_codes(texts, host_cpu())


@pytest.fixture(scope="module")
def objects() -> list[bytes]:
    return compiled(MATHS, OTHER)


def test_code_reaches_constants_other_objects_and_the_c_library(objects: list[bytes]):
    image = link(objects)
    assert {"sinf", "memset"} <= set(image.table) and any(isinstance(entry, int) for entry in image.table)
    for code in (Mapping(image), Mapping(image)):  # at two places
        f = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float, ctypes.c_int64)(code.address("f"))
        assert f(0.5, 2) == np.float32(np.float32(np.sin(np.float32(0.5))) + np.float32(3)) + np.float32(102)
        filled = np.zeros(9, np.uint8)
        ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("fill"))(filled.ctypes.data, 8)
        assert filled.tolist() == [7] * 8 + [0]


def rights(address: int) -> str | None:
    """What /proc/self/maps says of the memory at an address."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        low, high = (int(bound, 16) for bound in line.split()[0].split("-"))
        if low <= address < high:
            return line.split()[1]
    return None


def test_nothing_is_writable_and_executable_and_memory_is_given_back(objects: list[bytes]):
    code = Mapping(link(objects))
    start = code.address("f")
    assert rights(start) == "r-xp"
    assert rights(start - start % PAGE + code.image.code_bytes) == "r--p"
    del code
    gc.collect()
    assert rights(start) != "r-xp"


def test_images_without_code_or_without_a_function():
    Mapping(link([]))
    lost = Linked(bytes(PAGE + 8), PAGE, ("no_such_function",), {})
    with pytest.raises(VccError, match="has no no_such_function"):
        Mapping(lost)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@v = global i32 5\ndefine i32 @f() { %x = load i32, ptr @v\n ret i32 %x }", "for variables"),
        ("@v = thread_local global i32 5\ndefine ptr @f() { ret ptr @v }", "is for variables|neither code nor"),
        ("@p = constant ptr @f\ndefine void @f() { ret void }", "for variables"),
        ("define void @g() { ret void }\ndefine void @other() { ret void }", "other is defined twice"),
        ("define void @g() { unreachable }\n@c = common global i32 0", "neither code nor|for variables"),
    ],
)
def test_what_an_image_cannot_hold_is_refused(text: str, message: str):
    with pytest.raises(ObjectError, match=message):
        link(compiled(text, OTHER))


def outcome(data: bytes) -> str:
    """Links damaged data: it may work or be refused; any other exception is a bug."""
    try:
        link([data])
    except ObjectError as problem:
        return str(problem)
    return ""


def test_any_truncation_is_refused(objects: list[bytes]):
    data = objects[0]
    assert not outcome(data)
    assert all(outcome(data[:end]) for end in range(len(data)))


def test_damage_is_refused_or_harmless(objects: list[bytes]):
    generator = random.Random(3)
    data = objects[0]
    headers = int.from_bytes(data[40:48], "little")
    places = [*range(64), *range(headers, len(data)), *generator.choices(range(len(data)), k=2000)]
    found: set[str] = set()
    for at in places:
        changed = bytearray(data)
        changed[at] ^= 1 << generator.randrange(8)
        found.add(outcome(bytes(changed)))
        changed[at] = generator.choice((0, 0xFF))
        found.add(outcome(bytes(changed)))
    assert len(found) > 10
    with pytest.raises(ObjectError, match="not an ELF file"):
        read_object(bytes(64))
