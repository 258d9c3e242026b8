"""The instruction reference says what the instruction table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vcc.runtime.isa.assembler import assemble, parse_instruction
from vcc.runtime.isa.disassembler import instruction
from vcc.runtime.isa.expr import SCALAR_FNS
from vcc.runtime.isa.manual import SCALAR_MEANINGS, example, reference
from vcc.runtime.isa.table import TABLE, Op
from vcc.runtime.isa.verifier import verify_image

DOCS = Path(__file__).resolve().parents[2] / "docs" / "isa"


def test_the_committed_reference_is_the_generated_one():
    committed = (DOCS / "reference.md").read_text(encoding="utf-8")
    assert committed == reference(), "run: python -m vcc.runtime.isa.manual > docs/isa/reference.md"


def test_every_scalar_instruction_is_described():
    assert SCALAR_MEANINGS.keys() == SCALAR_FNS.keys()


@pytest.mark.parametrize("op", TABLE, ids=lambda op: op.name)
def test_the_examples_of_the_reference_assemble(op: Op):
    assert parse_instruction(instruction(example(op))) == example(op)


def test_links_inside_the_reference_lead_somewhere():
    text = reference()
    headings = {re.sub(r"[^\w -]", "", line[4:]) for line in text.splitlines() if line.startswith("### ")}
    assert set(re.findall(r"\(#([^)]*)\)", text)) == headings


@pytest.mark.parametrize("page", ["README.md", "assembly.md"])
def test_programs_in_the_pages_are_valid(page: str):
    blocks = re.findall(r"```vasm\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        verify_image(assemble(block, page))


@pytest.mark.parametrize("page", ["README.md", "assembly.md"])
def test_links_between_the_pages_lead_somewhere(page: str):
    for target in re.findall(r"\]\(([\w./]+\.\w+)\)", (DOCS / page).read_text(encoding="utf-8")):
        assert (DOCS / target).exists(), target
