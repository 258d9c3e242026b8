"""Whole programs as text: disassembling and assembling again is the identity."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_programs import images, same_image

from vcc.runtime.binary.image import Constant, Image
from vcc.runtime.binary.reader import load
from vcc.runtime.binary.writer import save, write_image
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.assembler import assemble
from vcc.runtime.isa.disassembler import disassemble
from vcc.runtime.isa.host import HostProgram, Launch, Ref, Space

PROGRAM = """
.machine "[machine]\\n"
         "name = 'vn1'\\n"
.input "x" f32[4,16]
.output "y" f32[64]
.node 0 "/relu"
.node 1 "/copy;\\"odd\\""
.value 0 "y" f32[64] node=1
.arena 4096
.live "t" 0 size 256 steps 0..1
.lower_bound 256
.remark 1 "fused: one reader"
.const 0 "w" i8[3] note="as given" .base64 "AQID"

kernel k(a: gm f32[64] in, b: gm f32[64] out, n: i64 1..64) {
  buf t: ub f32[64]
  load {i:%n max 64} t(1), a(1) !src(0)
  relu {i:%n max 64} t(1), t(1) !src(0)
  store {i:%n max 64} b(1), t(1) !src(0, 1)
}
host {
  launch k(input 0, arena+256, 64) sources=[[0], []] taps=[]
  call Copy(arena+256 f32[64], none f32[0]) -> (output 0 f32[64]) version=13
    domain="com.example" sources=[1] values=[0] reason="no kernel" node="AAEC"
  launch k(arena+256, output 0, 64) sources=[[1], [0, 1]]
}
"""


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(images(), st.booleans())
def test_printed_programs_read_back(image: Image, source: bool):
    assert same_image(assemble(disassemble(image, source=source)), image)


def test_a_program_becomes_the_image_it_describes():
    image = assemble(PROGRAM)
    first, call, second = image.host.steps
    assert isinstance(first, Launch) and isinstance(second, Launch)
    assert first.args == (Ref(Space.INPUT, 0), Ref(Space.ARENA, 0, 256), 64)
    assert first.sources == ((0,), ()) and second.sources == ((1,), (0, 1))
    assert not isinstance(call, Launch) and call.node == b"\0\1\2" and call.inputs[1].ref is None
    assert image.machine == "[machine]\nname = 'vn1'\n" and image.host.arena_bytes == 4096
    assert image.constants[0].data.tolist() == [1, 2, 3] and not image.constants[0].data.flags.writeable
    assert same_image(assemble(disassemble(image)), image)


def test_node_names_stand_beside_host_steps_and_above_instructions():
    lines = disassemble(assemble(PROGRAM), source=True).splitlines()
    assert lines[lines.index("host {") + 1].endswith("; /relu")
    above = [lines[i - 1].strip() for i, line in enumerate(lines) if line.startswith(("  load", "  relu", "  store"))]
    assert above[0] == '; /relu, /copy;\\"odd\\"' and above[1].startswith("load") and above[2].startswith("relu")


def test_kernels_alone_are_a_program():
    image = assemble("kernel k() {}")
    assert image.host == HostProgram((), (), ()) and image.kernel("k").body == ()
    assert disassemble(image) == "kernel k() {\n}\n"


def big_image(path: Path, offset: int = 64) -> Image:
    """A program with 80 kB of constants, which are also in the file."""
    data = np.arange(20000, dtype=np.float32)
    path.write_bytes(bytes(offset) + data.tobytes())
    return Image((), HostProgram((), (), ()), (Constant("w", data),))


def test_large_constants_stay_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    image = big_image(tmp_path / "m.vbin")
    text = disassemble(image, "m.vbin", [64])
    assert len(text) < 200 and '.incbin "m.vbin", 64, 80000, ' in text
    assert same_image(assemble(text, str(tmp_path / "m.vasm")), image)
    monkeypatch.chdir(tmp_path)
    assert same_image(assemble(text, "-"), image)


def test_large_constants_without_a_file_are_written_out(tmp_path: Path):
    image = big_image(tmp_path / "m.vbin")
    assert same_image(assemble(disassemble(image)), image)


def refused(text: str, filename: str = "p.vasm") -> str:
    with pytest.raises(VccError) as caught:
        assemble(text, filename)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0301"
    return diagnostic.message.splitlines()[0]


def test_a_vbin_disassembled_and_assembled_has_the_same_bytes(tmp_path: Path):
    image = replace(assemble(PROGRAM), constants=big_image(tmp_path / "unused").constants)
    path = tmp_path / "m.vbin"
    save(image, path)
    text = disassemble(load(path), str(path))
    assert ".incbin" in text and write_image(assemble(text, "-")) == path.read_bytes()


def test_another_file_than_the_one_disassembled_is_refused(tmp_path: Path):
    text = disassemble(big_image(tmp_path / "m.vbin"), "m.vbin", [64])
    (tmp_path / "m.vbin").write_bytes(bytes(90000))
    assert "bytes 64..80064 of 'm.vbin' are not those that were disassembled" in refused(text, f"{tmp_path}/m.vasm")
    (tmp_path / "m.vbin").unlink()
    assert "cannot read the file 'm.vbin' of this constant: No such file" in refused(text, f"{tmp_path}/m.vasm")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("launch k(input 0,", "launch kk(input 0,", "p.vasm:22:10: unknown kernel 'kk'; did you mean 'k'?"),
        ("launch k(input 0,", "launch k(", "p.vasm:22:10: 'k' takes 3 arguments, not 2"),
        ("launch k(input 0,", "launch k(7,", "p.vasm:22:10: argument a of 'k' must be a place"),
        (".node 1", ".node 2", "p.vasm:7:7: numbers go up from 0: expected 1, found 2"),
        ("i8[3]", "i8[4]", "p.vasm:13:8: constant 0 has 3 bytes, but its type needs 4"),
        ('"AQID"', '"AQ*D"', "p.vasm:13:44: not valid base64"),
        ("i8[3]", "i8[-1,-3]", "p.vasm:13:14: a negative size"),
        ('.base64 "AQID"', '.incbin "a\\u0000b", 0, 3, ""', "p.vasm:13:56: cannot read the file"),
        ('.base64 "AQID"', '.incbin ".", 0, 3, ""', "p.vasm:13:49: cannot read the file '.' of this constant: Is a"),
        ("i8[3]", "i9[3]", "p.vasm:13:14: unknown dtype 'i9'"),
        ("input 0,", "inptu 0,", "p.vasm:22:12: expected"),
    ],
)
def test_mistakes_in_programs(old: str, new: str, message: str):
    assert message in refused(PROGRAM.replace(old, new, 1))


def test_digests_are_of_the_constants_bytes(tmp_path: Path):
    image = big_image(tmp_path / "m.vbin")
    assert hashlib.sha256(image.constants[0].data.tobytes()).hexdigest() in disassemble(image, "m.vbin", [64])
    assert base64.b64encode(image.constants[0].data.tobytes()[:60]).decode() in disassemble(image)
