"""What the verifiers of the host dialect refuse, and that they name it."""

from __future__ import annotations

import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

from vcc.compiler.context import make_context
from vcc.dialects.host import ProgramOp

KERNEL = """
visa.kernel @k(%x: !visa.gm<f32, 16, in>, %y: !visa.gm<f32, 16, out>) sources 1 taps () {
  %e = visa.event "IN" to "V" {slots = 1, tokens = 0}
}
"""
BUFFER = "!host.buffer<tensor<16xf32>>"
PLACES = f"""
  %x = host.input "x" : {BUFFER}
  %y = host.output "y" : {BUFFER}
  %w = host.constant #weights.blob<"00"> : {BUFFER}
"""


def arena(name: str, offset: int, first: int, last: int, type: str = "16xf32") -> str:
    return f'%{name} = host.arena "{name}" at {offset} live {first} to {last} : !host.buffer<tensor<{type}>>\n'


def launch(source: str, target: str, kernel: str = "k", sources: str = '[["N"]]') -> str:
    types = f"({BUFFER}) -> ({BUFFER})"
    return f"host.launch @{kernel}(%{source}) -> (%{target}) {{sources = {sources}, taps = []}} : {types}\n"


def parse(body: str, arena_bytes: int = 128, bound: int = 64) -> ModuleOp:
    text = f"{KERNEL}\nhost.program arena {arena_bytes} bound {bound} {{ {PLACES} {body} }}"
    return Parser(make_context(), text).parse_module()


def test_a_program_of_two_steps_is_valid():
    module = parse(arena("a", 0, 0, 1) + launch("x", "a") + launch("a", "y"))
    module.verify()
    program = list(module.ops)[1]
    assert isinstance(program, ProgramOp)
    assert (program.arena_bytes, program.lower_bound, len(program.steps)) == (128, 64, 2)
    assert [(row.offset, row.size, row.first, row.last) for row in program.live_ranges] == [(0, 64, 0, 1)]
    assert [op.onnx_name.data for op in (*program.inputs, *program.outputs)] == ["x", "y"]


def test_a_result_may_lie_over_an_operand_that_dies():
    parse(arena("a", 0, 0, 0) + arena("b", 0, 1, 2) + launch("x", "a") + launch("a", "b") + launch("b", "y")).verify()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (f'%z = host.input "x" : {BUFFER}', "two inputs are called 'x'"),
        (f'%z = host.output "y" : {BUFFER}', "two outputs are called 'y'"),
        (arena("a", 32, 0, 0), "'a' at 32 is not aligned to 64 bytes"),
        (arena("a", 0, 2, 1), "'a' cannot live from step 2 to 1"),
        (arena("a", 0, 0, 3) + launch("x", "a"), "'a' lives to step 3 of 1 steps"),
        (arena("a", 128, 0, 0) + launch("x", "a"), "'a' ends at 192 of 128 bytes"),
        (arena("a", 0, 0, 0) + arena("b", 0, 0, 0) + launch("x", "a"), "overlap.*0 is 'a', 1 is 'b'"),
        (launch("x", "x"), r"step 0 \(launch of @k\) writes input 'x', which is read only"),
        (launch("x", "w"), "writes a constant, which is read only"),
        (launch("y", "y"), "reads output 'y' before a step has written it"),
        (arena("a", 0, 0, 0) + launch("a", "y"), "reads arena 'a' before"),
        (
            arena("a", 0, 0, 0) + launch("x", "a") + launch("a", "y"),
            r"step 1 \(launch of @k\) reads arena 'a', which lives to step 0",
        ),
        (arena("a", 0, 1, 1) + launch("x", "a") + launch("a", "y"), "writes arena 'a', which lives from step 1 to 1"),
        (launch("x", "y", kernel="none"), "there is no kernel @none"),
        (launch("x", "y", sources="[]"), "@k takes 1 sources, 0 are given"),
        (
            f"host.launch @k(%x, %w) -> (%y) {{sources = [], taps = []}} : ({BUFFER}, {BUFFER}) -> ({BUFFER})",
            "@k takes 2 buffers, 3 are given",
        ),
        (
            f'host.launch @k() -> (%y, %y) {{sources = [["N"]], taps = []}} : () -> ({BUFFER}, {BUFFER})',
            "parameter 0 of @k is !visa.gm<f32, 16, in> but an output",
        ),
        (
            '%i = host.input "i" : !host.buffer<tensor<16xi32>>\n'
            'host.launch @k(%i) -> (%y) {sources = [["N"]], taps = []}'
            f" : (!host.buffer<tensor<16xi32>>) -> ({BUFFER})",
            "parameter 0 of @k is .*f32.* the buffer holds tensor<16xi32>",
        ),
        (f"%v = host.view %x : {BUFFER} to !host.buffer<tensor<4x3xf32>>", "does not have the elements"),
        (
            f"%v = host.view %x : {BUFFER} to !host.buffer<tensor<4x4xf32, #graph.blocked<axis = 1, block = 2>>>",
            "not both row-major",
        ),
        (
            'host.call "Abs"(%x) -> (%y) {domain = "", version = 13 : i64, attributes = {}, '
            'input_positions = array<i64: 1>, output_positions = array<i64: 0>, reason = "", '
            f'sources = [], taps = [""]}} : ({BUFFER}) -> ({BUFFER})',
            r"positions \[1\] do not name the 1 inputs of Abs",
        ),
        ("%c = weights.constant dense<1> : tensor<1xi64>", "weights.constant is not an operation of a host program"),
    ],
)
def test_verifiers_name_what_is_wrong(body: str, message: str):
    module = parse(body)
    with pytest.raises(VerifyException, match=message):
        module.verify()


def test_an_arena_below_its_bound_is_refused():
    with pytest.raises(VerifyException, match="an arena of 128 bytes is below the bound of 129"):
        parse("", bound=129).verify()


def test_a_dtype_without_a_size_is_refused():
    with pytest.raises(VerifyException, match="buffer"):
        parse('%z = host.input "z" : !host.buffer<tensor<?xf32>>')
