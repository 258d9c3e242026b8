"""The estimate of a launch's work that says whether threads share it."""

from __future__ import annotations

from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.native.work import UNKNOWN, estimated_cycles


def cycles(body: str, head: str = "") -> float:
    text = f"kernel k(x: gm f32[65536] in, y: gm f32[65536] out{head}) {{ buf t: ub f32[4096] @0 {body} }}"
    (found,) = parse_kernel_text(text)
    return estimated_cycles(found)


def test_work_counts_not_bytes() -> None:
    copy = cycles("load {i:4096} t(1), x(1) store {i:4096} y(1), t(1)")
    relu = cycles("load {i:4096} t(1), x(1) relu {i:4096} t(1), t(1) store {i:4096} y(1), t(1)")
    tanh = cycles("load {i:4096} t(1), x(1) tanh {i:4096} t(1), t(1) store {i:4096} y(1), t(1)")
    assert copy < relu < tanh and tanh > 5 * relu


def test_loops_multiply() -> None:
    once = cycles("relu {i:4096} t(1), t(1)")
    assert cycles("forall %a = 0..4, %b = 0..4 { loop %c = 0..6 step 2 { relu {i:4096} t(1), t(1) } }") == 48 * once
    assert cycles("loop %c = 0..%n { relu {i:4096} t(1), t(1) }", ", n: i64 0..9") == UNKNOWN * once


def test_the_longer_branch_counts() -> None:
    both = cycles("%c = eq 1, 1 if %c { relu {i:4096} t(1), t(1) } else { relu {i:16} t(1), t(1) }")
    assert both > cycles("relu {i:4096} t(1), t(1)")
