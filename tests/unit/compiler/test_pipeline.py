"""The pipeline's list and its runner."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from broken_models import small_model
from xdsl.dialects.builtin import ModuleOp

from vcc.compiler import pipeline
from vcc.compiler.compilation import Compilation
from vcc.compiler.emit import read_ir
from vcc.compiler.options import Options, parse_shape
from vcc.compiler.pipeline import IR_PHASES, PHASES, PassCrashError, Phase, make_pass, run_pipeline
from vcc.passes import all_passes
from vcc.runtime.diagnostics import VccError
from vcc.tools.verbs.compile_verb import PHASES as PHASES_IN_HELP


def test_every_pass_of_the_list_exists():
    missing = [spec for phase in PHASES for spec in phase.passes if spec.partition("{")[0] not in all_passes()]
    assert not missing
    for phase in PHASES:
        for spec in phase.passes:
            assert make_pass(spec).name == spec.partition("{")[0]


def test_the_help_text_names_the_phases():
    assert ", ".join(IR_PHASES) == PHASES_IN_HELP


class Probe:
    """Stands in for passes: notes what runs, and whether the garbage collector was on."""

    def __init__(self, action: Any = None):
        self.collector: list[bool] = []
        self.action = action

    def apply(self, ctx: object, module: ModuleOp) -> None:
        self.collector.append(gc.isenabled())
        if self.action is not None:
            self.action(module)


@pytest.fixture
def compilation(monkeypatch: pytest.MonkeyPatch) -> Compilation:
    monkeypatch.setattr(
        pipeline, "PHASES", (Phase("import"), Phase("graph", ("one", "two")), Phase("fuse", ("three",)))
    )
    return Compilation.from_model(small_model(), Options())


def test_passes_run_in_order_and_are_timed(compilation: Compilation, monkeypatch: pytest.MonkeyPatch):
    probe, seen = Probe(), list[str]()
    monkeypatch.setattr(pipeline, "make_pass", lambda spec: probe)
    trace = run_pipeline(
        compilation.module, compilation.ctx, stop_after="fuse", observer=lambda phase, module: seen.append(phase)
    )
    assert [(each.phase, each.name) for each in trace.times] == [
        ("graph", "one"),
        ("graph", "two"),
        ("graph", "verify"),
        ("fuse", "three"),
        ("fuse", "verify"),
    ]
    assert seen == ["graph", "fuse"]
    assert probe.collector == [False] * 3 and gc.isenabled()


def test_start_and_stop(compilation: Compilation, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline, "make_pass", lambda spec: Probe())

    def names(**kwargs: Any) -> list[str]:
        trace = run_pipeline(compilation.module, compilation.ctx, **kwargs)
        return [each.name for each in trace.times if each.name != "verify"]

    assert names(start_from="graph", stop_after="fuse") == ["three"]
    assert names(stop_after="graph") == ["one", "two"]
    assert names(stop_after="fuse", stop_before=("graph", 1)) == ["one"]
    assert names(start_from="fuse", stop_after="fuse") == []


def erase_the_operand(module: ModuleOp) -> None:
    """Make the module invalid: the relu gets a second operand."""
    node = next(op for op in module.walk() if op.name.startswith("onnx."))
    node.operands = (*node.operands, *node.operands)


def test_the_verifier_names_the_pass_and_the_node(compilation: Compilation, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline, "make_pass", lambda spec: Probe(erase_the_operand if spec == "two" else None))
    with pytest.raises(VccError) as failure:
        run_pipeline(compilation.module, compilation.ctx, stop_after="fuse", verify_each=True)
    (found,) = failure.value.diagnostics
    assert found.code == "E0107" and "pass 'two'" in found.message and found.node == "the_node"


def test_a_crash_can_be_reproduced(compilation: Compilation, monkeypatch: pytest.MonkeyPatch):
    def crash(module: ModuleOp) -> None:
        module.attributes.clear()
        next(op for op in module.walk() if op.name.startswith("onnx.")).attributes.clear()
        raise KeyError("oops")

    monkeypatch.setattr(pipeline, "make_pass", lambda spec: Probe(crash if spec == "two" else None))
    with pytest.raises(PassCrashError, match="pass 'two' of phase 'graph'") as failure:
        compilation.advance("fuse")
    assert isinstance(failure.value.__cause__, KeyError)
    assert failure.value.reproduce is not None
    text = failure.value.reproduce()
    assert "Relu" in text and 'values = [["y"]]' in text
    assert gc.isenabled()


def test_temps_can_be_read_again(tmp_path: Path):
    options = Options(save_temps=tmp_path / "temps")
    compilation = Compilation.from_model(small_model(), options)
    compilation.advance("graph")
    assert sorted(path.name for path in options.save_temps.iterdir()) == ["0-import.mlir", "1-graph.mlir"]  # pyright: ignore
    again = read_ir(tmp_path / "temps" / "1-graph.mlir", compilation.ctx)
    assert again.is_structurally_equivalent(compilation.module)


def test_host_operators_can_be_refused():
    model = small_model("Det", dims=(3, 3))
    model.graph.output[0].type.tensor_type.shape.Clear()
    compilation = Compilation.from_model(model, Options())
    compilation.advance("graph")
    assert compilation.work is not None
    (host,) = compilation.work.host
    assert (host.node, host.op) == ("the_node", "Det") and host.reason
    with pytest.raises(VccError) as failure:
        Compilation.from_model(model, Options(host_ops="error")).advance("graph")
    assert [each.code for each in failure.value.diagnostics] == ["E0122"]
    assert failure.value.diagnostics[0].node == "the_node"


@pytest.mark.parametrize(
    ("text", "shape"),
    [("x:1x3", ("x", (1, 3))), ("a:0:5", ("a:0", (5,))), ("x:", ("x", ())), ("/a/b:2", ("/a/b", (2,)))],
)
def test_shapes_are_parsed(text: str, shape: tuple[str, tuple[int, ...]]):
    assert parse_shape(text) == shape


@pytest.mark.parametrize("text", ["x", "x=1x3", ":1x3", "x:1x", "x:-1", "x:1,3"])
def test_other_shapes_are_refused(text: str):
    with pytest.raises(VccError, match="E0202"):
        parse_shape(text)
