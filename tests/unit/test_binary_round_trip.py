"""What is written to a .vbin is what is read from it, and the same image gives the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from binary_images import comparable, example_image, images
from hypothesis import given, settings
from isa_strategies import EXAMPLE

from vcc.runtime.binary import format as fmt
from vcc.runtime.binary import kernel_format
from vcc.runtime.binary.image import Constant, Image
from vcc.runtime.binary.reader import load, open_binary, read_image
from vcc.runtime.binary.writer import save, write_image
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.expr import SCALAR_FNS, Poly
from vcc.runtime.isa.host import HostProgram, Launch, Space
from vcc.runtime.isa.kernel import Immediate, Instr, Kernel, Memory, Pipe, Role, Sync, View


@settings(max_examples=60, deadline=None)
@given(images())
def test_random_kernels_come_back(image: Image):
    data = write_image(image)
    back = read_image(data, "test")
    assert comparable(back) == comparable(image)
    assert write_image(back) == write_image(image) == data


def test_everything_else_comes_back():
    image = example_image()
    assert comparable(read_image(write_image(image), "test")) == comparable(image)
    empty = Image((), HostProgram((), (), ()))
    assert comparable(read_image(write_image(empty), "test")) == comparable(empty)


@pytest.mark.parametrize("value", [-0.0, 5, 5.0, -(2**63), 2**64 - 1, float("inf"), True])
def test_immediates_keep_their_type(value: float | int):
    copy = Instr("copy", (), {"dst": View("yt", ()), "src": Immediate(value)})
    image = replace(Image((replace(EXAMPLE, body=(copy,), num_sources=0),), HostProgram((), (), ())))
    (instr,) = read_image(write_image(image), "test").kernels[0].body
    assert isinstance(instr, Instr)
    back = instr.operands["src"]
    assert isinstance(back, Immediate)
    assert repr(back.value) == repr(int(value) if isinstance(value, bool) else value)


def test_constants_are_mapped_and_not_copied(tmp_path: Path):
    path = tmp_path / "model.vbin"
    save(example_image(), path)
    assert path.read_bytes() == write_image(example_image())
    loaded = load(path)
    assert comparable(loaded) == comparable(example_image())
    for constant in loaded.constants:
        assert not constant.data.flags.writeable
        assert not constant.data.flags.owndata
        base = constant.data
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)
        if constant.data.size:
            assert constant.data.ctypes.data % fmt.ALIGNMENT == 0


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").is_dir(), reason="no kernel with huge pages")
def test_a_file_is_mapped_in_huge_pages_where_the_system_keeps_it_so(tmp_path: Path):
    save(example_image(), tmp_path / "x.vbin")
    opened = open_binary(tmp_path / "x.vbin")
    mapping = Path("/proc/self/smaps").read_text(encoding="utf-8").partition(f"{tmp_path}/x.vbin")[2]
    flags = next(line for line in mapping.splitlines() if line.startswith("VmFlags:")).split()
    assert "hg" in flags, "the advice was not taken"
    assert opened.digest


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "model.vbin"
    save(example_image(), path)
    before = path.read_bytes()
    bad = replace(example_image(), constants=(Constant("c", np.zeros(1, np.complex64)),))
    with pytest.raises(VccError, match=r"E0302.*constant c: no dtype"):
        save(bad, path)
    assert path.read_bytes() == before
    with pytest.raises(VccError, match=r"E0203.*cannot write"):
        save(example_image(), tmp_path / "absent" / "model.vbin")
    (tmp_path / "folder").mkdir()
    with pytest.raises(VccError, match=r"E0203.*cannot write"):
        save(example_image(), tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "model.vbin"]


def test_writing_to_a_device_does_not_replace_it():
    save(example_image(), "/dev/null")
    assert Path("/dev/null").is_char_device()


def test_what_has_no_name_cannot_be_written():
    def written(**changes: object) -> None:
        write_image(Image((replace(EXAMPLE, **changes),), HostProgram((), (), ())))

    instr = Instr("copy", (), {"dst": View("nowhere", ()), "src": Immediate(0)})
    with pytest.raises(VccError, match=r"E0302.*kernel conv: there is no buffer or parameter nowhere"):
        written(body=(instr,))
    with pytest.raises(VccError, match="there is no instruction fly"):
        written(body=(replace(instr, op="fly"),))
    with pytest.raises(VccError, match="copy takes no bias"):
        written(body=(replace(instr, operands={"bias": Immediate(1)}),))
    with pytest.raises(VccError, match="there is no event gone"):
        written(body=(Sync("wait", "gone"),))
    with pytest.raises(VccError, match="does not fit 64 bits"):
        written(body=(Sync("barrier", slot=Poly.of(2**63)),))
    with pytest.raises(VccError, match="a launch names kernel gone"):
        write_image(Image((), HostProgram((), (), (Launch("gone", ()),))))


def test_the_numbers_of_the_format_do_not_change():
    """Binaries that users keep depend on these; append, never insert."""
    assert [s.name for s in fmt.Section] == [
        "STRINGS", "KERNELS", "HOST", "CONSTANT_TABLE", "PLAN", "SYMBOLS", "DEBUG", "TAPS", "MACHINE", "CONSTANTS",
    ]  # fmt: skip
    assert [*map(str, kernel_format.MEMORIES)] == ["gm", "l1", "l0a", "l0b", "l0c", "ub"] == [*map(str, Memory)]
    assert [*map(str, kernel_format.PIPES)] == ["S", "IN", "MOV", "M", "V", "OUT"] == [*map(str, Pipe)]
    assert [*map(str, kernel_format.ROLES)] == ["p", "m", "n", "k", "reduce", "scan"] == [*map(str, Role)]
    assert [*map(str, fmt.SPACES)] == ["input", "output", "const", "arena"] == [*map(str, Space)]
    assert list(fmt.SCALAR_OPS) == list(SCALAR_FNS)
    assert (fmt.HEADER.size, fmt.SECTION.size) == (64, 32)


def test_kernels_are_equal_objects_after_reading():
    (kernel,) = read_image(write_image(example_image()), "test").kernels
    assert isinstance(kernel, Kernel)
    assert kernel == EXAMPLE
