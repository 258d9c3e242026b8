"""Whether the calling thread flushes denormals to zero: the processor's own switch, read and set.

ONNX Runtime sets it for the thread that makes the first session of a process and never again, so that sessions with
different settings in one process need it to be set around their runs.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

#: The x86 control register's bits: results flushed to zero, operands taken for zero.
FLUSH_X86 = (1 << 15) | (1 << 6)
#: The Arm control register's bit for both.
FLUSH_ARM = 1 << 24

_X86 = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define i64 @get() nounwind {
  %place = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %place)
  %value = load i32, ptr %place
  %wide = zext i32 %value to i64
  ret i64 %wide
}
define void @set(i64 %wide) nounwind {
  %place = alloca i32
  %value = trunc i64 %wide to i32
  store i32 %value, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  ret void
}
"""
_ARM = """
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
define i64 @get() nounwind {
  %value = call i64 @llvm.aarch64.get.fpcr()
  ret i64 %value
}
define void @set(i64 %value) nounwind {
  call void @llvm.aarch64.set.fpcr(i64 %value)
  ret void
}
"""
_KINDS = {"x86_64": (_X86, FLUSH_X86), "AMD64": (_X86, FLUSH_X86), "aarch64": (_ARM, FLUSH_ARM)}


def can_switch() -> bool:
    """Whether this module knows this processor's switch."""
    return platform.machine() in _KINDS


def flushing() -> bool:
    """Whether the calling thread flushes denormals. Needs `can_switch`."""
    get, _, bits = _functions()
    return bool(get() & bits)


@contextmanager
def denormals(flushed: bool) -> Generator[None]:
    """The calling thread flushes denormals within, or does not; as before afterwards. Needs `can_switch`."""
    get, put, bits = _functions()
    before = get()
    put(before | bits if flushed else before & ~bits)
    try:
        yield
    finally:
        put(before)


@cache
def _functions() -> tuple[Any, Any, int]:
    from vcc.runtime.native.llvm import Jitted, host_cpu

    text, bits = _KINDS[platform.machine()]
    code = Jitted([text], host_cpu())
    get = ctypes.CFUNCTYPE(ctypes.c_int64)(code.address("get"))
    put = ctypes.CFUNCTYPE(None, ctypes.c_int64)(code.address("set"))
    get.code = put.code = code  # type: ignore[attr-defined]  # it lives as long as its functions
    return get, put, bits
