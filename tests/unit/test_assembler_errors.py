"""What the assembler says about text that is wrong."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcc.runtime.diagnostics import Exit, VccError
from vcc.runtime.isa.assembler import assemble, parse_kernel_text

HEAD = """kernel k(x: gm f32[%n] in, y: gm f32[%n] out, n: i64 0..64) {
  buf xt: ub f32[64] x2 @0
  event free: V>IN x2 =1
"""


EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "isa" / "examples"
WHOLE = """
.machine "a\\n" "b"
.input "x" f32[4]
.node 0 "n"
.value 0 "y" f32[4] node=0 axis=1 block=16
.const 0 "w" i8[3] note="as given" .base64 "AQID"
.live "t" 0 size 256 steps 0..1
host { launch vector_add(input 0, const 0, arena+4, 7) sources=[[0], []] taps=[-1]
  call Copy(none f32[0]) -> (output 0 f32[4]) version=13 sources=[0] node="AAEC" }
""" + (EXAMPLES / "vector_add.vasm").read_text(encoding="utf-8")
WORDS = ["", "..", "x2", "9" * 30, "nan", "1e999", "1.5", ".const", ".incbin", "kernel", "host {", "if %n {", "load"]
FRAGMENTS = [*WORDS, *'}{()[]"-;@=*,%\\\n\r\0é\ud800']


def complaints(text: str) -> list[str]:
    with pytest.raises(VccError) as caught:
        parse_kernel_text(text, "k.vasm")
    assert caught.value.exit_code is Exit.MODEL
    assert all(diagnostic.code == "E0301" for diagnostic in caught.value.diagnostics)
    return [diagnostic.message for diagnostic in caught.value.diagnostics]


def complaint(line: str) -> str:
    (message,) = complaints(HEAD + line + "\n}\n")
    return message


def test_a_message_shows_file_line_column_and_caret():
    assert complaint("  lod {i:%n max 64} xt(1), x(1)") == (
        "k.vasm:4:3: unknown instruction 'lod'; did you mean 'load'?\n      lod {i:%n max 64} xt(1), x(1)\n      ^"
    )


@pytest.mark.parametrize(
    ("line", "where", "message"),
    [
        ("load {i:%n max 64} xt(1), x(1", "5:1", "expected ')', '+', ',' or '-', found '}'"),
        ("load {i:%n max 64} xt(1); x(1)", "4:8", "'load' takes 2 operands (dst, src), not 1"),
        ("load {i:%n max 64} xy(1), x(1)", "4:27", "unknown buffer or tensor parameter 'xy'; did you mean 'y'?"),
        ("load {i:%m max 64} xt(1), x(1)", "4:16", "unknown register '%m'"),
        ("load {i:%n} xt(1), x(1)", "4:14", "dimension 'i' needs 'max N', as its size %n is not constant"),
        ("load {i:q 3} xt(1), x(1)", "4:16", "unknown role 'q'"),
        ("load {i:3} xt(1,1), x(1)", "4:19", "operand dst has 2 strides, but the domain has 1 dimensions"),
        ("load {i:3} xt(1), x(1), fil=0.0", "4:32", "unknown attribute of 'load' 'fil'; did you mean 'fill'?"),
        ("load {i:3} xt(1), x(1), fill=%n", "4:32", "attribute fill must be a number"),
        ("load {i:3} xt(1), x(1), fill=1, fill=1", "4:40", "'fill' is given twice"),
        ("add {i:3} xt(1), xt(1), %n", "4:8", "operand b is an expression: write scalar(%n)"),
        ("%a = mix %n, 1", "4:13", "unknown scalar instruction 'mix'; did you mean 'min'?"),
        ("%a = min %n, 1, 2", "4:13", "'min' takes 2 operands, not 3"),
        ("%a = sload xt[0]", "4:19", "unknown tensor parameter 'xt'; did you mean 'x'?"),
        ("wait fre[0]", "4:13", "unknown event 'fre'; did you mean 'free'?"),
        ("lop %i = 0..%n { }", "4:8", "unknown instruction 'lop'; did you mean 'loop'?"),
        ("barrier buf late: ub f32[1]", "4:16", "'buf' stands before a kernel's first statement"),
        ("loop %i = 0 { }", "4:20", "expected '+', '-' or '..', found '{'"),
        ("load {i:99999999999999999999999} xt(1), x(1)", "4:36", "found '999'"),
        ("copy {i:3} xt(1), ?", "4:26", "a character that no word begins with: '?'"),
    ],
)
def test_one_mistake_gives_one_message(line: str, where: str, message: str):
    found = complaint(" " * 7 + line)
    assert message in found.splitlines()[0] and f"k.vasm:{where}:" in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kernel k(x: gm f33[1] in) {}", "unknown dtype 'f33'"),
        ("kernel k(x: gm f32[%q] in) {}", "unknown register '%q'"),
        ("kernel k() { buf a: um f32[1] }", "unknown memory 'um'"),
        ("kernel k() { event e: V>X }", "unknown pipe 'X'"),
        ("kernel k() { buf a: ub f32[1] buf a: ub f32[1] }", "'a' is declared twice"),
        ("kernel k() {", "expected a statement, 'buf', 'event', 'sources', 'taps' or '}', found the end of the text"),
        ('kernel "\\q"() {}', "a string with an escape that is not JSON's"),
        ("kernel k(n: i64 0..1) { %a = add 0, " + "-" * 3000 + "1" + " }", "nested too deeply"),
    ],
)
def test_declarations(text: str, message: str):
    (found,) = complaints(text)
    assert message in found.splitlines()[0]


def test_every_broken_statement_is_reported_at_once():
    lines = ["wait [0]", "load {i:3 xt(1), x(1)", "loop i = 0..3 {", "  signal free[%]", "}", "add {i:3} = 4"]
    found = complaints(HEAD + "\n".join(lines) + "\n}\n")
    assert [message.split(":")[1] for message in found] == ["4", "5", "6", "7", "9"]


def test_every_wrong_name_is_reported_at_once_and_once():
    lines = ["wait fre[%a]", "lod {i:3} xt(1), x(1)", "copy {i:3} a(1), b(1)", "copy {i:3} a(1), b(1)"]
    found = complaints(HEAD + "\n".join(lines) + "\n}\n")
    assert [message.split(":")[1] for message in found] == ["4", "4", "5", "6", "6"]


BROKEN = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 8), st.sampled_from(FRAGMENTS)), min_size=1, max_size=4
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 8), st.sampled_from(FRAGMENTS)), max_size=4))
def test_any_text_is_read_or_refused(edits: list[tuple[int, int, str]]):
    """Cut and insert at random places of a program: no other exception than VccError may come of it."""
    text = WHOLE
    for place, cut, new in edits:
        place %= len(text)
        text = text[:place] + new + text[place + cut :]
    with contextlib.suppress(VccError):
        assemble(text)
