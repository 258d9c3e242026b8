"""A damaged or hostile .vbin gives one clear error: no traceback, no large allocation, no long wait."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from binary_images import example_image, section_range, set_word, with_checksums
from isa_strategies import EXAMPLE

from vcc.runtime.binary.format import Section
from vcc.runtime.binary.reader import load, read_image
from vcc.runtime.binary.writer import write_image
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.expr import ONE
from vcc.runtime.isa.kernel import If

DATA = write_image(example_image())


def fault(data: bytes) -> str:
    """The message about bad data. Fails if there is none, or more than one."""
    with pytest.raises(VccError) as caught:
        read_image(data, "x.vbin")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0303"
    assert diagnostic.message.startswith("x.vbin: ")
    return diagnostic.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a .vbin file"),
        (b"\x08\x07onnx", "not a .vbin file"),
        (DATA[:64], "shorter than its header"),
        (DATA[:-1], f"{len(DATA) - 1} bytes long instead of {len(DATA)}"),
        (DATA + b"\0", f"{len(DATA) + 1} bytes long instead of {len(DATA)}"),
        (DATA[:8] + b"\x02" + DATA[9:], "made by another version of vcc: format 2, this one reads format 1"),
        (DATA[:70] + b"\xff" + DATA[71:], "the header is damaged"),
        (DATA[:-1] + b"\xff", r"section CONSTANTS is damaged"),
    ],
)
def test_damage_is_named(data: bytes, message: str):
    assert message in fault(data)


def test_any_changed_byte_is_noticed():
    generator = random.Random(7)
    end = section_range(DATA, Section.CONSTANTS)[0]
    for at in [*range(400), *generator.sample(range(end), 300), *generator.sample(range(end, len(DATA)), 50)]:
        changed = bytearray(DATA)
        changed[at] ^= 1 << generator.randrange(8)
        fault(bytes(changed))


def test_any_truncation_is_noticed():
    for size in [*range(0, 500, 7), *range(500, len(DATA), 997)]:
        fault(DATA[:size])
        if size > 384:
            fault(with_checksums(DATA[:size]))


@pytest.mark.parametrize("section", [s for s in Section if s is not Section.CONSTANTS])
def test_lies_with_right_checksums_do_no_harm(section: Section):
    """Either the lie is noticed or it made another well-formed image, which can be written again."""
    generator = random.Random(section)
    start, end = section_range(DATA, section)
    tracemalloc.start()
    for _ in range(400):
        at = generator.randrange(start, end)
        if generator.random() < 0.5:
            changed = bytearray(DATA)
            changed[at] ^= 1 << generator.randrange(8)
            data = with_checksums(changed)
        else:
            word = generator.choice((0, 1, 2, 7, 255, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000))
            data = set_word(DATA, start + (at - start) // 4 * 4, word)[: len(DATA)]
        try:
            image = read_image(data, "x.vbin")
        except VccError as problem:
            assert len(problem.diagnostics) == 1
            assert problem.diagnostics[0].code == "E0303"
        else:
            write_image(image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20, "reading allocates in proportion to the file"


def test_deep_nesting_is_refused():
    """A stream of nested ifs must not exhaust the stack."""
    body = ()
    for _ in range(200):
        body = (If(ONE, body),)
    image = replace(example_image(), kernels=(replace(EXAMPLE, body=body, num_sources=0),))
    assert "nested more than 64 deep" in fault(write_image(image))


def test_files_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(VccError, match=r"E0204.*cannot read .*absent.vbin: No such file"):
        load(tmp_path / "absent.vbin")
    with pytest.raises(VccError, match="E0204"):
        load(tmp_path)
    (tmp_path / "empty.vbin").touch()
    with pytest.raises(VccError, match=r"E0303.*empty.vbin is empty"):
        load(tmp_path / "empty.vbin")
    (tmp_path / "text.vbin").write_text("hello")
    with pytest.raises(VccError, match=r"E0303.*text.vbin: not a .vbin file"):
        load(tmp_path / "text.vbin")
