"""IR says for which machine it was made, from the phase on that asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcc.compiler.compilation import Compilation
from vcc.compiler.demo import model_path
from vcc.compiler.emit import write_ir
from vcc.compiler.made_for import MACHINE
from vcc.compiler.options import Options
from vcc.compiler.targets import load_target
from vcc.runtime.diagnostics import VccError

SHAPES = {"image": (1, 1, 8, 8)}


def emitted(folder: Path, phase: str, target: str) -> Path:
    compilation = Compilation.from_model(model_path(), Options(target, SHAPES))
    compilation.advance(phase)
    assert (MACHINE in compilation.module.attributes) == (phase != "graph")
    write_ir(compilation.module, compilation.ctx, folder / "g.mlir")
    return folder / "g.mlir"


@pytest.mark.parametrize("phase", ["fuse", "tile", "plan"])
def test_ir_goes_on_for_its_machine_alone(tmp_path: Path, phase: str):
    path = emitted(tmp_path, phase, "vn1")
    assert Compilation.from_ir(path, phase, Options("vn1")).encode().machine
    with pytest.raises(VccError, match="was made for vn1, not host-generic") as failure:
        Compilation.from_ir(path, phase, Options("host-generic"))
    assert failure.value.diagnostics[0].code == "E0202"


def test_another_description_of_the_same_name_is_another_machine(tmp_path: Path):
    text = load_target("vn1").text
    description = tmp_path / "vn1.toml"
    description.write_text("# a comment is no difference\n" + text, encoding="utf-8")
    path = emitted(tmp_path, "tile", str(description))
    Compilation.from_ir(path, "tile", Options("vn1"))
    description.write_text(text.replace("ub = 196_608", "ub = 98_304"), encoding="utf-8")
    with pytest.raises(VccError, match="was made for another description of vn1"):
        Compilation.from_ir(path, "tile", Options(str(description)))


def test_the_graph_phase_knows_no_machine(tmp_path: Path):
    path = emitted(tmp_path, "graph", "vn1")
    Compilation.from_ir(path, "graph", Options("host-generic")).advance("fuse")
