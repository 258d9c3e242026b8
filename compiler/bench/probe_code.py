"""The loops that measure the machine, as machine code: multiply-adds in registers, reading an array, a triad."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcc.runtime.native.emit import Cpu

#: Independent sums of the multiply-add loop, enough to cover latency times throughput; 16 registers must do.
SUMS = 12
#: How often the loops' bodies are written out.
UNROLLED = 8


@dataclass
class ProbeCode:
    """Functions of ctypes, which let other threads run; `lanes` are the f32 in a vector.

    `fma(out, n, a, b)` makes n rounds of SUMS * UNROLLED vector multiply-adds; `read(out, data, n)` adds up
    two pieces of n f32 each, one after the other; `triad(d, b, c, n, s)` is d = b + s * c. n f32 are a multiple of
    `lanes * UNROLLED`; `out` has room for a vector.
    """

    owner: Any
    lanes: int
    fma: Any
    read: Any
    triad: Any


def probe_code() -> ProbeCode:
    """The loops for the CPU that kernels are made for."""
    from vcc.runtime.native.llvm import host_cpu

    return _probe_code(host_cpu())


@cache
def _probe_code(cpu: Cpu) -> ProbeCode:
    from vcc.runtime.native.llvm import Jitted

    lanes = cpu.vector_bytes // 4
    code = Jitted(["\n".join([_fma(lanes), _reader(lanes), _triads(lanes)])], cpu)
    place, count, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float

    def function(name: str, *kinds: Any) -> Any:
        return ctypes.CFUNCTYPE(None, *kinds)(code.address(name))

    return ProbeCode(
        code, lanes, function("fma", place, count, real, real), function("read", place, place, count),
        function("triad", place, place, place, count, real),
    )  # fmt: skip


def _loop(name: str, params: str, head: list[str], sums: int, lanes: int, step: int, body: list[str]) -> str:
    """A function with a loop on %i from 0 below %n that keeps %s0.. in registers as %t0.., and stores them at %out."""
    phis = [f"  %s{i} = phi <{lanes} x float> [ splat (float {i}.0), %entry ], [ %t{i}, %loop ]" for i in range(sums)]
    total = [f"  %u0 = fadd <{lanes} x float> %t0, zeroinitializer"] if sums else []
    total += [f"  %u{i} = fadd <{lanes} x float> %u{i - 1}, %t{i}" for i in range(1, sums)]
    end = [f"  store <{lanes} x float> %u{sums - 1}, ptr %out, align 4"] if sums else []
    lines = [
        f'define void @{name}({params}) nounwind "prefer-vector-width"="512" {{',
        "entry:",
        *head,
        "  br label %loop",
    ]
    lines += ["loop:", "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]", *phis, *body, f"  %next = add i64 %i, {step}"]
    lines += ["  %more = icmp slt i64 %next, %n", "  br i1 %more, label %loop, label %done", "done:"]
    return "\n".join([*lines, *total, *end, "  ret void", "}"])


def _splat(name: str, lanes: int) -> list[str]:
    kind = f"<{lanes} x float>"
    return [
        f"  %{name}.one = insertelement {kind} poison, float %{name}, i32 0",
        f"  %{name}.all = shufflevector {kind} %{name}.one, {kind} poison, <{lanes} x i32> zeroinitializer",
    ]


def _fma(lanes: int) -> str:
    kind, body = f"<{lanes} x float>", list[str]()
    for i in range(SUMS):
        for n in range(UNROLLED):
            old = f"%s{i}" if not n else f"%f{i}.{n}"
            new = f"%t{i}" if n == UNROLLED - 1 else f"%f{i}.{n + 1}"
            body.append(f"  {new} = call {kind} @llvm.fma.v{lanes}f32({kind} {old}, {kind} %a.all, {kind} %b.all)")
    head = [*_splat("a", lanes), *_splat("b", lanes)]
    declaration = f"declare {kind} @llvm.fma.v{lanes}f32({kind}, {kind}, {kind})\n"
    return declaration + _loop("fma", "ptr %out, i64 %n, float %a, float %b", head, SUMS, lanes, 1, body)


def _reader(lanes: int) -> str:
    """Both halves of the array at once: two streams keep more of the memory's queue busy than one."""
    kind, body = f"<{lanes} x float>", list[str]()
    for n in range(UNROLLED):
        body += [f"  %i.{n} = add i64 %i, {n // 2 * lanes}"]
        body += [f"  %p.{n} = getelementptr float, ptr {('%data', '%half')[n % 2]}, i64 %i.{n}"]
        body += [f"  %v.{n} = load {kind}, ptr %p.{n}, align 4", f"  %t{n} = fadd {kind} %s{n}, %v.{n}"]
    head = ["  %half = getelementptr float, ptr %data, i64 %n"]
    return _loop("read", "ptr %out, ptr %data, i64 %n", head, UNROLLED, lanes, UNROLLED // 2 * lanes, body)


def _triads(lanes: int) -> str:
    kind, body = f"<{lanes} x float>", list[str]()
    for n in range(UNROLLED):
        body.append(f"  %i.{n} = add i64 %i, {n * lanes}")
        body += [f"  %p{x}.{n} = getelementptr float, ptr %{x}, i64 %i.{n}" for x in "bcd"]
        body += [f"  %{x}.{n} = load {kind}, ptr %p{x}.{n}, align 4" for x in "bc"]
        body += [f"  %m.{n} = fmul {kind} %c.{n}, %s.all", f"  %w.{n} = fadd {kind} %m.{n}, %b.{n}"]
        body.append(f"  store {kind} %w.{n}, ptr %pd.{n}, align 4")
    params = "ptr %d, ptr %b, ptr %c, i64 %n, float %s"
    return _loop("triad", params, _splat("s", lanes), 0, lanes, UNROLLED * lanes, body)
