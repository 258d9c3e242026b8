"""Kernels as text: what is printed reads back as the same kernel."""

from __future__ import annotations

import pytest
from effort import at_most
from hypothesis import HealthCheck, given, settings
from random_kernels import kernels

from vcc.runtime.isa.assembler import parse_instruction, parse_kernel_text
from vcc.runtime.isa.disassembler import disassemble_kernel, instruction
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Immediate, Instr, Kernel, Let, Role, Scalar, View, instructions
from vcc.runtime.isa.manual import example
from vcc.runtime.isa.table import TABLE

CONV = """
kernel conv(x: gm f32[%n*%n] in, y: gm f32[%n] out, n: i64 1..64) {   ; a comment
  buf at: l0a f32[56, 144] x2 @128
  buf wt: l0b f32[9,16,32]
  buf acc: l0c f32[56,32]
  buf yt: ub f32[56,32]
  event full: IN>M x2 =1
  forall %h = 0..%n {
    %first = eq %h, 0
    wait full[%h]
    load {i:3 in 1-%h..57-%h, k:%n max 16} at@(%h+1)[-2*(%h-%n)](144,1), x(%n,1), fill=-inf when=%first
    mmad {o:m 56, n:n 32, k:k 16} acc(32,1,0), at@%h(144,0,1), wt(0,1,32), zero=%first !src(0,2)
    drain {o:56, n:32} yt(32,1), acc(32,1), scale=0.5, bias=scalar(%n), act=relu !tap 1[%h](32,1)
  }
}
"""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(kernels())
def test_printed_kernels_read_back(kernel: Kernel):
    assert parse_kernel_text(disassemble_kernel(kernel)) == (kernel,)


def test_text_becomes_the_objects_it_describes():
    (kernel,) = parse_kernel_text(CONV)
    load, mmad, drain = instructions(kernel)
    assert (kernel.num_sources, kernel.num_taps) == (3, 2)
    h, n = Poly.of("h"), Poly.of("n")
    assert load.operands["dst"] == View("at", (Poly.of(144), Poly.of(1)), (n - h) * 2, h + 1)
    assert load.attrs == {"fill": float("-inf")} and load.when == Poly.of("first")
    assert load.domain[0].valid == (1 - h, 57 - h) and load.domain[1].max == 16
    assert [dim.role for dim in mmad.domain] == [Role.M, Role.N, Role.K] and mmad.sources == (0, 2)
    assert drain.operands["scale"] == Immediate(0.5) and drain.operands["bias"] == Scalar(n)


def test_names_are_shown_above_runs_of_instructions():
    (kernel,) = parse_kernel_text(CONV)
    text = disassemble_kernel(kernel, names=lambda source: [f"/conv\n{source}"])
    assert r"    ; /conv\n0, /conv\n2" in text.splitlines()
    assert parse_kernel_text(text) == (kernel,)


def test_several_kernels_keep_their_own_names():
    second = "kernel k(%x: gm f32[1] in) {}".replace("%", "")
    assert [kernel.name for kernel in parse_kernel_text(CONV + second)] == ["conv", "k"]
    assert parse_kernel_text("") == ()


def test_hundreds_of_lines_parse_quickly():
    parse_kernel_text(CONV)
    with at_most(2):
        parse_kernel_text(CONV * 40)


def test_a_let_may_use_the_register_it_redefines():
    (kernel,) = parse_kernel_text("kernel k(n: i64 0..1) { %n = add %n, 1 }")
    assert kernel.body == (Let("n", "add", (Poly.of("n"), Poly.of(1))),)


def test_negative_and_special_numbers():
    (kernel,) = parse_kernel_text(
        "kernel k(n: i64 -5..1) { buf a: ub f32[1] copy {} a(), -3 copy {} a(), -1.5e-3 copy {} a(), -inf }"
    )
    values = [s.operands["src"] for s in kernel.body if isinstance(s, Instr)]
    assert values == [Immediate(-3), Immediate(-0.0015), Immediate(float("-inf"))]


def test_one_instruction_stands_alone():
    text = "add {i:%n max 8} xt@%r(1), xt@%r(1), 0.5"
    instr = parse_instruction(text)
    assert instr.operands["b"] == Immediate(0.5) and instr.domain[0].size == Poly.of("n")
    assert parse_instruction(instruction(instr)) == instr


@pytest.mark.parametrize("before", ["%a = add 1, %n", "wait e[%n]", "copy {} t(), t() when=%n", "copy {} t(), 1"])
def test_any_instruction_may_follow_an_expression(before: str):
    """Some are also words that may come after an expression elsewhere."""
    body = "\n".join(f"{before}\n{instruction(example(op))}" for op in TABLE)
    names = {spec.role for op in TABLE for spec in op.operands} | {"t"}
    buffers = "\n".join(f"buf {name}: ub f32[1]" for name in names)
    head = f"kernel k(n: i64 0..9, first: i64 0..1) {{\n{buffers}\nevent e: S>V\n"
    (kernel,) = parse_kernel_text(f"{head}{body}\n}}")
    assert [s.op for s in instructions(kernel) if s.op != "copy"] == [op.name for op in TABLE if op.name != "copy"]
