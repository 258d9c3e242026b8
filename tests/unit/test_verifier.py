"""Kernels that break one rule each, and what the verifier says; kernels that break none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from effort import at_most
from isa_strategies import EXAMPLE

from vcc.compiler.targets import load_target
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import (
    Buffer,
    Event,
    Forall,
    If,
    Instr,
    Kernel,
    Let,
    Loop,
    Memory,
    Pipe,
    ScalarLoad,
    ScalarParam,
    Sync,
    View,
)
from vcc.runtime.isa.verifier import verify_kernel

HEAD = """kernel k(x: gm f32[4096] in, y: gm f32[4096] out, ids: gm i32[64] in, n: i64 1..64) {
  buf a: ub f32[64] x2 @0
  buf b: ub f32[64,16] @512
  buf c: ub f32[64] @4608
  buf h: ub f16[64] @4864
  buf p: ub bool[64] @4992
  buf i: ub i32[64] @5056
  buf l: l0a f16[16,16]
  buf l8: l0a i8[16,16]
  buf r: l0b f16[16,16]
  buf acc: l0c f32[16,16]
  buf iacc: l0c i32[16,16]
"""
EVENTS = """
  event full: IN>V x2
  event free: V>IN x2 =1
  event done: V>OUT
  wait free signal full wait full signal free signal done wait done
"""


def problems(body: str, head: str = HEAD, events: str = EVENTS) -> list[str]:
    (kernel,) = parse_kernel_text(head + ("" if body.startswith("forall") else events) + body + "}")
    return [problem.message for problem in verify_kernel(kernel, load_target("vn1"))]


@pytest.mark.parametrize(
    "body",
    [
        "load {i:64} a(1), x(1) store {i:64} y(1), a(1)",
        "load {i:%n max 64} a(1), x(1)",
        "loop %t = 0..64 { load {i:64} a@%t(1), x[64*%t](1) }",
        "forall %d = 0..2 { loop %t = 0..64 { load {i:64} a(1), x[64*%t+4032*%d-128*%d*%t](1) } }",
        "forall %t = 0..64 { load {i:64} a@%t(1), x[64*%t](1) }",
        "load {i:66 in 1..65} b(1), x[-1](1)",
        "loop %t = 0..64 { load {i:3 in 1-%t..65-%t, j:64} b(64,1), x[64*%t-64](64,1) }",
        "%m = min %n, 16 load {i:%m max 64} a(1), x(1)",
        "loop %t = 0..%n { %left = add %n-%t, 0 %m = min %left, 16 load {i:%m max 64} a[%n-%t-%m](1), x(1) }",
        "loop %t = 0..4 { add {i:16} a[16*%t](1), a[16*%t](1), 1.0 } loop %t = 0..4 { exp {i:16} a(1), c(1) }",
        "%q = sload ids[3] %s = mod %q, 4 copy {i:16} a[16*%s](1), c(1)",
        "reduce.max {i:16, j:reduce 64} a(1,0), b(1,16)",
        "copy {i:8} a(2), a[1](2)",
        "copy {i:32} a(1), a[32](1)",
        "copy {i:64} a@0(1), a@1(1)",
        "mmad {i:m 16, j:n 16, k:k 16} acc(16,1,0), l(16,0,1), r(0,1,16), zero=%n",
        "drain {i:16, j:16} b(16,1), acc(16,1), bias=a(0,1), act=relu",
        "load.gather {i:4, j:16} b(16,1), x(0,1), i(1,0), limit=64, pitch=64",
        "gather {i:64} a(1), c(0), i(1), limit=64",
        "iota {i:scan 64} i(1) scan.add {i:scan 64} a(1), c(1)",
        "if %n { load {i:64} a(1), x(1) } else { load {i:64} a(1), x[64](1) }",
        "if 0 { load {i:64} a(1), x[9999](1) } loop %t = 9..3 { load {i:65} a(1), x(1) }",
        "load {i:64} a(1), x[9999](1) when=%n",
        "loop %t = 0..9 { %ok = lt %t, 4 if %ok { copy {i:16} a[16*%t](1), c(1) } }",
        "loop %t = 0..9 { %ok = lt %t, 4 if %ok { } else { copy {i:8} a[8*%t-32](1), c(1) } }",
        "loop %t = 0..9 { %ok = ge 3, %t copy {i:16} a[16*%t](1), c(1) when=%ok }",
        "loop %t = 0..9 { %p = gt %t, 2 %q = le %t, 5 %pq = and %p, %q copy {i:16} a[16*%t-48](1), c(1) when=%pq }",
    ],
)
def test_sound_kernels(body: str):
    assert problems(body) == []


def test_the_example_is_sound():
    assert verify_kernel(EXAMPLE, load_target("host-avx2")) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("load {i:64} a(1), c(1)", "load: operand src may lie in gm, and c is in ub"),
        ("load {i:64} acc(1), x(1)", "load: operand dst may lie in l1, l0a, l0b, ub, and acc is in l0c"),
        ("copy {i:64} a(1), h(1)", "copy: operands must be of one dtype: dst is f32, src is f16"),
        ("exp {i:64} i(1), i(1)", "exp: operand dst may not be of i32, as i is"),
        ("cmp.lt {i:64} p(1), 1.0, 2.0", "cmp.lt: no operand is a view that gives the dtype of a, b"),
        ("store {i:64} x(1), a(1)", "store: x is an input and may not be written"),
        ("load {i:64} a(1), x@1(1)", "load: operand src has a slot, which global memory has not"),
        ("load {i:64} a(1), 3.0", "load: operand src must be a view, not a scalar"),
        ("load {i:reduce 64} a(1), x(1)", "load: dimension i has the role reduce; allowed: parallel"),
        ("copy {i:64 in 1..3} a(1), c(1)", "copy: dimension i has a valid interval"),
        ("copy {i:2, i:2} a(1,2), c(1,2)", "copy: dimension 'i' has no name of its own"),
        ("iota {i:64} i(1)", "iota: exactly one dimension must have the role scan"),
        (
            "mmad {i:m 4, j:n 4, k:k 4} iacc(4,1,0), l(4,0,1), r(0,1,4)",
            "of f16 and f16 is of f32, and operand dst of i32",
        ),
        ("mmad {i:m 4, j:n 4, k:k 4} iacc(4,1,0), l8(4,0,1), r(0,1,4)", "mmad: there is no product of i8 and f16"),
        ("loop %t = 0..4 { } load {i:64} a(1), x[%t](1)", "%t is used before it is defined"),
        ("%n = add 1, 2", "%n is defined twice"),
        ("%m = sload x[0]", "sload reads integers, and x is of f32"),
        ("forall %t = 0..4 { forall %u = 0..2 { } }", "a forall stands in another one"),
        ("barrier forall %u = 0..2 { }", "around a forall only loops and scalar instructions may stand"),
        ("load {i:65} a(1), x(1)", "load: operand dst may reach element 64 of a, whose slots have elements 0..63"),
        ("copy {i:64} a(-1), c(1)", "copy: operand dst may reach element -63 of a"),
        ("loop %t = 0..%n { copy {i:2} a[%t](1), c(1) }", "copy: operand dst may reach element 64 of a"),
        ("load {i:66 in 1..65} a(1), x(1)", "load: operand dst may reach element 65 of a"),
        ("%q = sload ids[3] copy {i:16} a[%q](1), c(1)", "copy: operand dst may reach element -2147483648 of a"),
        ("gather {i:64} a(1), c(0), i(1), limit=65", "gather: operand src may reach element 64 of c"),
        ("copy {i:%n+64 max 64} a(1), c(1)", "copy: dimension i is always above its maximum 64"),
        ("copy {i:-%n max 64} a(1), c(1)", "copy: dimension i always has a negative size"),
        ("copy {i:4} a(0), c(1)", "copy: the output has stride 0 over dimension i, so it is written twice"),
        ("copy {i:4, j:4} a(3,1), c(4,1)", "copy: the output's strides name an element twice"),
        ("reduce.add {i:4, j:reduce 4} a(4,1), b(4,1)", "the output has stride 1 over dimension j, which is reduced"),
        ("copy {i:32} a[1](1), a(1)", "copy: the output overlaps operand src without being the same view"),
        (
            "signal full",
            "event full is signalled 1 times more than waited for in the kernel's body: the pipes would hang",
        ),
        ("loop %t = 0..4 { wait free[%t] }", "event free is waited for 1 times more than signalled in an iteration"),
        ("loop %t = 0..4 { wait free[%t] signal free[2*%t] }", "in different slots or under different conditions"),
        ("if %n { wait free } signal free", "in different slots or under different conditions"),
    ],
)
def test_each_rule_has_its_message(body: str, message: str):
    found = problems(body)
    assert any(message in problem for problem in found), found
    assert all(problem.startswith("kernel 'k': ") for problem in found)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "forall %t = 0..65 { load {i:64} a(1), x[64*%t](1) }",
            "load: operand src reaches element 4159 of x, which has 4096 (at %t = 64)",
        ),
        (
            "forall %t = 0..64 { load {i:3 in 0..65-%t, j:64} b(64,1), x[64*%t-64](64,1) }",
            "reaches element -64 of x, which has 4096 (at %t = 0)",
        ),
        (
            "loop %t = 0..4 { if %t { store {i:64} y[1344*%t+64](1), a(1) } }",
            "store: operand dst reaches element 4159 of y",
        ),
    ],
)
def test_global_accesses_are_checked_where_sizes_are_known(body: str, message: str):
    found = problems(body, HEAD.replace(", n: i64 1..64", ""), "")
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "forall %d = 0..2 { loop %t = 0..64 { load {i:64} a(1), x[64*%t+4031*%d-128*%d*%t](1) } }",
            "reaches element -1 of x, which has 4096 (at %d = 1, %t = 63)",
        ),
        (
            "%q = sload ids[5] load {i:64} a(1), x[%q](1)",
            "may reach element -2147483648 of x, whose first is 0; nothing",
        ),
        ("%q = sload ids[64]", "sload may reach element 64 of ids, which has 64"),
        (
            "load.gather {i:4, j:16} b(16,1), x(0,1), i(1,0), limit=65, pitch=64",
            "may reach element 4111 of x, which has",
        ),
    ],
)
def test_global_accesses_must_be_proven(body: str, message: str):
    found = problems(body, HEAD.replace(", n: i64 1..64", ""), "")
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(
    "body",
    [
        "%b = add 4611686018427387904, 0 loop %t = 4*%b..9 { load {i:64} a(1), x[%t](1) }",
        "%big = mul 4611686018427387904, 4 loop %t = %big..9 { load {i:64} a(1), x[%t](1) }",
        "%q = sload ids[0] %p = lt %q*4611686018427387904, 1 if %p { load {i:64} a(1), x[%q](1) }",
        "%b = add 4611686018427387904, 0 load {i:64 in 4*%b..5} a(1), x[-1](1)",
    ],
)
def test_nothing_is_concluded_from_what_overflows(body: str):
    found = problems(body, HEAD.replace(", n: i64 1..64", ""), "")
    assert any("load: operand src" in problem for problem in found), found


def test_a_problem_names_the_instruction_and_the_node():
    (kernel,) = parse_kernel_text(HEAD + EVENTS + "load {i:65} a(1), x(1) !src(0) }")
    (problem,) = verify_kernel(kernel, None, {0: "/conv1/Conv"})
    assert problem.code == "E0302"
    assert problem.node == "/conv1/Conv"
    assert "\n    in: load {i:65} a(1), x(1) !src(0)" in problem.message


F32 = BY_NAME["f32"]


def declared(**changes: object) -> list[str]:
    kernel = replace(Kernel("k", (), (), (), ()), **changes)
    return [problem.message for problem in verify_kernel(kernel, load_target("vn1"))]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"buffers": (Buffer("a", Memory.UB, F32, (65536,)),)},
            "buffer a ends at byte 262144 of ub, which has 196608 on vn1",
        ),
        ({"buffers": (Buffer("a", Memory.UB, F32, (8,), 1, 196608),)}, "buffer a ends at byte 196672 of ub"),
        ({"buffers": (Buffer("a", Memory.UB, F32, (8,), 1, 32),)}, "buffer a is at 32, which is no multiple of 64"),
        ({"buffers": (Buffer("a", Memory.GM, F32, (8,)),)}, "buffer a is in gm"),
        ({"buffers": (Buffer("a", Memory.UB, F32, (0,)),)}, "buffer a has the shape [0]"),
        ({"buffers": (Buffer("a", Memory.UB, F32, (1,), 0),)}, "buffer a has 0 slots"),
        ({"buffers": (Buffer("a", Memory.UB, F32, (1,)),) * 2}, "parameter or buffer a is declared 2 times"),
        ({"buffers": (Buffer("a b", Memory.UB, F32, (1,)),)}, "'a b' is not a name for a parameter or buffer"),
        ({"events": (Event("e", Pipe.V, Pipe.V),)}, "event e goes from pipe V to itself"),
        ({"events": (Event("e", Pipe.V, Pipe.M, 0),)}, "event e has 0 slots and 0 tokens"),
        ({"events": (Event("e", Pipe.V, Pipe.M),)}, "event e is never used"),
        (
            {"events": (Event("e", Pipe.V, Pipe.M),), "body": (Sync("wait", "e"),)},
            "event e is waited for and there is no signal: the pipes would hang",
        ),
        ({"params": (ScalarParam("n", 3, 2),)}, "scalar parameter n has the empty or too wide range 3..2"),
        ({"params": (replace(EXAMPLE.params[0], mode="sideways"),)}, "parameter x has mode 'sideways'"),
        ({"params": (EXAMPLE.params[0],)}, "the extent of x uses %C1, which is no scalar parameter"),
        ({"body": (Loop("i", ONE, ONE, 0, "seq", ()),)}, "a loop's step must be positive"),
        ({"body": (Loop("i", ONE, ONE, 1, "wild", ()),)}, "its kind seq, reduce or parallel"),
        ({"body": (Forall((), ()),)}, "a forall has no range"),
        ({"body": (Sync("jump"),)}, "there is no sync instruction jump"),
        ({"body": (Sync("wait"),)}, "wait and signal name an event, barrier none"),
        ({"body": (Instr("fly", (), {}),)}, "there is no instruction fly"),
        ({"body": (Instr("copy", (), {}),)}, "copy: operand dst is missing"),
        ({"body": (Instr("copy", (), {"dst": View("q", ())}),)}, "operand dst names q, which is no buffer or tensor"),
        ({"body": (Sync("wait", "nix"),)}, "there is no event nix"),
        ({"body": (Let("i", "fly", (ONE, ONE)),)}, "there is no scalar instruction fly of 2 operands"),
        ({"body": (Let("i", "add", (ONE,)),)}, "there is no scalar instruction add of 1 operands"),
        ({"body": (Let("i", "add", (ONE, Poly.of("z"))),)}, "%z is used before it is defined"),
        (
            {"buffers": EXAMPLE.buffers, "body": (Instr("copy", (), {"dst": View("yt", (ONE,))}),)},
            "copy: operand dst has 1 strides for 0 dimensions",
        ),
        ({"body": (Instr("copy", (), {"bias": View("a", ())}),)}, "copy: there is no operand bias"),
        ({"body": (Instr("copy", (), {}, {"zero": ONE}),)}, "copy: there is no attribute zero"),
        ({"body": (Instr("mmad", (), {}, {"zero": 1.0}),)}, "mmad: attribute zero must be a poly"),
        ({"body": (Instr("drain", (), {}, {"act": "tanh"}),)}, "drain: attribute act must be one of none, relu"),
        ({"body": (Instr("copy", (), {}, sources=(0,)),)}, "a source is not below the kernel's number of sources, 0"),
        ({"body": (Let("i", "add", (Poly.of(1 << 64), ONE)),)}, "a number that does not fit 64 bits"),
        ({"body": (Let("a!", "add", (ONE, ONE)),)}, "'a!' is not a name for a register"),
        ({"body": (Let("i", "add", (Poly(((("n",) * 17, 1),)), ONE)),)}, "16 factors in a term"),
        ({"body": (ScalarLoad("i", "x", ONE),)}, "there is no tensor parameter x"),
    ],
)
def test_declarations(changes: dict[str, object], message: str):
    found = declared(**changes)
    assert any(message in problem for problem in found), found


def test_nesting_is_bounded():
    body = ()
    for _ in range(70):
        body = (If(ONE, body),)
    assert any("nested more than 64 deep" in problem for problem in declared(body=body))


def test_buffers_of_one_instruction_may_not_share_memory():
    found = problems("copy {i:16} a(1), c(1)", HEAD.replace("@4608", "@256"))
    assert any("copy: a and c, output and operand src, share memory" in problem for problem in found)


def test_the_machine_must_have_the_product():
    kernel = """kernel k() { buf a: l0a f64[4] buf b: l0b f64[4] buf c: l0c f64[4]
                mmad {i:m 2, j:n 2, k:k 2} c(2,1,0), a(2,0,1), b(0,1,2) }"""
    (parsed,) = parse_kernel_text(kernel)
    assert [p.message.partition("\n")[0] for p in verify_kernel(parsed, load_target("vn1"))] == [
        "kernel 'k': mmad: machine vn1 has no product of f64"
    ]
    assert verify_kernel(parsed, load_target("host-avx2")) == []


def test_long_chains_of_scalars_take_bounded_time():
    """Each bound is found in a bounded number of steps, however many registers depend on each other."""
    lets = tuple(Let(f"r{i}", "add", (Poly.of(f"r{i - 1}") if i else ONE, ONE)) for i in range(400))
    squares = tuple(Let(f"s{i}", "mul", (Poly.of(f"s{i - 1}") if i else Poly.of(3),) * 2) for i in range(400))
    load = Instr("load", (), {"dst": View("yt", ()), "src": View("x", (), Poly.of("r399") + Poly.of("s399"))})
    with at_most(5):
        found = declared(params=EXAMPLE.params, buffers=EXAMPLE.buffers, body=(*lets, *squares, load))
    assert not found, "C1 is not known yet"
