"""What `vcc bench` is made of: counting work, interleaving, probes, comparing outputs, processes of their own."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vcc.compiler.bench import floating
from vcc.compiler.bench.api import benchmark
from vcc.compiler.bench.blocks import block, interleaved, quartiles
from vcc.compiler.bench.compare import compare, worst_error
from vcc.compiler.bench.engines.interface import Session, Subject
from vcc.compiler.bench.engines.registry import OPPONENTS, engine_named, opponents
from vcc.compiler.bench.engines.vcc_engine import VccEngine
from vcc.compiler.bench.fresh import fresh
from vcc.compiler.bench.machine import Probe
from vcc.compiler.bench.subjects import prepare
from vcc.compiler.bench.work import count_macs
from vcc.compiler.compilation import Compilation
from vcc.compiler.demo import model_path
from vcc.compiler.options import Options
from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.session import Program
from vcc.tools.bench_table import print_report

SHAPES = {"image": [3, 1, 8, 8]}


def model(nodes: list[Any], x: list[int], y: list[int], **weights: Any) -> Any:
    """A model of f32 from x to y."""
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", x), ("y", y))]
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def product() -> Any:
    """A product whose sizes no tile divides."""
    return model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], [37, 531], [37, 101], w=np.ones((531, 101), np.float32)
    )


def depthwise() -> Any:
    """A depthwise convolution, then a sum over its channels by a 1x1 convolution."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["t"], group=24, pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["t", "v"], ["y"]),
    ]
    w, v = np.ones((24, 1, 3, 3), np.float32), np.ones((5, 24, 1, 1), np.float32)
    return model(nodes, [1, 24, 13, 17], [1, 5, 13, 17], w=w, v=v)


@pytest.mark.parametrize("make", [product, depthwise])
@pytest.mark.parametrize("target", ["host", "vn1"])
def test_macs_of_a_program_are_those_that_the_interpreter_executes(make: Any, target: str):
    image = Compilation.from_model(make(), Options(target)).encode()
    feeds = {spec.name: np.ones(spec.shape, np.float32) for spec in image.host.inputs}
    executed = sum(row["macs"] for row in Program(image).stats(feeds).rows("launch"))
    assert count_macs(image) == executed > 0


@dataclass
class FakeSession:
    """A session that notes its runs."""

    name: str
    log: list[str]
    result: list[Any] = field(default_factory=list[Any])
    variant: str = ""
    flushes_denormals: bool = False

    def run(self) -> object:
        self.log.append(self.name + ("*" if floating.can_switch() and floating.flushing() else ""))
        return self.result

    def outputs(self) -> list[Any]:
        return self.result


def test_blocks_alternate_and_only_sessions_that_flush_run_flushing():
    log: list[str] = []
    times = interleaved([FakeSession("a", log), FakeSession("b", log, flushes_denormals=True)], [2, 1], 2)
    b = "b*" if floating.can_switch() else "b"
    assert log == [*"aaa", b, b] * 2  # the first run of each block is not counted
    assert len(times) == 2 and all(len(row) == 2 and min(row) > 0 for row in times)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64", "aarch64"), reason="another processor's switch")
def test_the_switch_for_denormals_is_put_back():
    tiny = np.full(4, 1e-30, np.float32)
    with floating.denormals(True):
        assert floating.flushing() and not (tiny * tiny.clip(max=1e-12)).any()
        with floating.denormals(False):
            assert (tiny * np.float32(1e-12)).all()
        assert floating.flushing()
    assert not floating.flushing()


def test_quartiles():
    assert quartiles([2.0]) == (2.0, 2.0, 2.0)
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)


def test_probes_measure_something():
    probe = Probe(1)
    try:
        assert 1e8 < probe.flops() < 1e13
        assert 1e7 < probe.read_bytes() < 1e13 and 1e7 < probe.triad_bytes() < 1e13
    finally:
        probe.close()


@pytest.mark.parametrize(
    ("actual", "expected", "error"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([0.0, 2.2], [0.0, 2.0], 0.1),
        ([1e-7], [0.0], 1e-7),
        ([np.nan, 1.0], [np.nan, 1.0], 0.0),
        ([np.nan, 1.0], [2.0, 1.0], np.inf),
        ([1.0, 1.0], [np.inf, 1.0], np.inf),
        ([np.inf, 1.0], [np.inf, 1.0], 0.0),
        ([1.0], [1.0, 1.0], np.inf),
    ],
)
def test_errors_of_outputs(actual: list[float], expected: list[float], error: float):
    found = worst_error([np.array(actual, np.float32)], [np.array(expected, np.float32)])
    assert found == pytest.approx(error, rel=1e-5)


def test_errors_of_integers_are_the_part_that_differs():
    assert worst_error([np.array([1, 2, 3, 4])], [np.array([1, 2, 3, 5])]) == 0.25


@dataclass
class FakeEngine:
    """An engine whose results are wrong, or that takes no model."""

    name: str = "onnxruntime"
    refuses: bool = False
    unoptimised: float | None = None

    def check(self) -> None:
        pass

    def version(self) -> str:
        return "0"

    def open(self, subject: Subject, threads: int, variants: bool = True) -> list[Session]:
        if self.refuses:
            raise error("E0602", "it has an operator that I do not know")
        return [FakeSession("fake", [], [np.full((3, 10), 0.7, np.float32)], variant=v) for v in ("slow", "fast")]

    def unoptimised_outputs(self, subject: Subject) -> list[NDArray[Any]] | None:
        return None if self.unoptimised is None else [np.full((3, 10), self.unoptimised, np.float32)]


def test_a_wrong_engine_and_one_that_refuses(tmp_path: Path):
    found = prepare(model_path(), tmp_path, "digits", {}, options=Options(shapes=SHAPES))
    compared = compare(found.subject, [FakeEngine(), FakeEngine("iree", True)], 1, found.macs, blocks=2, runs=2)
    wrong, refused = compared.opponents
    assert (
        wrong.error > 0.1 and wrong.seconds == min(wrong.variants.values()) and set(wrong.variants) == {"slow", "fast"}
    )
    assert refused.problem == "it has an operator that I do not know" and not refused.seconds
    assert compared.of_peak == pytest.approx(2 * found.macs / compared.seconds / compared.peak_flops)
    assert wrong.low <= wrong.ratio <= wrong.high


def test_a_wrong_result_is_reported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vcc.compiler.bench.api.opponents", lambda names: [FakeEngine()])
    monkeypatch.setattr("vcc.compiler.bench.api.engine_named", lambda name: VccEngine())
    report = benchmark(model_path(), "digits", blocks=2, runs=2, options=Options(shapes=SHAPES))
    ((threads, engine, worst),) = report.wrong
    assert (threads, engine) == (1, "onnxruntime") and worst > 0.1
    assert report.as_dict()["measured"][0]["opponents"][0]["wrong"]


def test_an_engine_that_differs_from_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Its own results with and without its optimisations say how far a right result may be."""
    monkeypatch.setattr("vcc.compiler.bench.api.engine_named", lambda name: VccEngine())
    for unoptimised, right in ((0.7001, False), (-2.0, True), (np.nan, False)):
        monkeypatch.setattr(
            "vcc.compiler.bench.api.opponents", lambda names, u=unoptimised: [FakeEngine(unoptimised=u)]
        )
        report = benchmark(model_path(), "digits", blocks=1, runs=1, options=Options(shapes=SHAPES))
        print_report(report)
        out = capsys.readouterr().out
        assert (not report.wrong) == right == ("WRONG" not in out) == ("differ by 3.9e+00, so" in out)


def test_a_refusal_has_a_row_and_its_reason(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("vcc.compiler.bench.api.opponents", lambda names: [FakeEngine("iree", True)])
    monkeypatch.setattr("vcc.compiler.bench.api.engine_named", lambda name: VccEngine())
    report = benchmark(model_path(), "digits", blocks=1, runs=1, options=Options(shapes=SHAPES))
    print_report(report)
    out = capsys.readouterr().out
    assert "refused" in out and "iree, 1 thread: it has an operator that I do not know" in out
    assert not report.wrong and "ratio:" not in out


def test_onnx_runtime_gives_the_same(tmp_path: Path):
    pytest.importorskip("onnxruntime")
    report = benchmark(model_path(), "digits", threads=(1, 2), blocks=2, runs=2, options=Options(shapes=SHAPES))
    assert not report.wrong and len(report.measured) == 2
    for each in report.measured:
        (ort,) = each.comparison.opponents
        assert ort.error < 1e-5 and set(ort.variants) == {"denormals kept", "denormals flushed"}


def test_frozen_inputs_are_constants_for_all_engines(tmp_path: Path):
    pytest.importorskip("onnxruntime")
    proto = model([helper.make_node("Mul", ["x", "n"], ["y"])], [4, 3], [4, 3])
    proto.graph.input.append(helper.make_tensor_value_info("n", TensorProto.FLOAT, [3]))
    found = prepare(proto, tmp_path, "frozen", {}, options=Options(values={"n": 2.5}))
    assert list(found.subject.feeds) == ["x"]
    outputs = [engine_named(name).open(found.subject, 1)[0].outputs() for name in ("vcc", "onnxruntime")]
    assert worst_error(*outputs) < 1e-6


def test_bound_runs_write_the_same_outputs(tmp_path: Path):
    pytest.importorskip("onnxruntime")
    found = prepare(model_path(), tmp_path, "digits", {}, options=Options(shapes=SHAPES), bound=True)
    outputs = [engine_named(name).open(found.subject, 1)[0].outputs() for name in ("vcc", "onnxruntime")]
    assert worst_error(*outputs) < 1e-5


def test_an_engine_in_processes_of_its_own(tmp_path: Path):
    found = prepare(model_path(), tmp_path, "digits", {}, options=Options(shapes=SHAPES))
    start = fresh(VccEngine(), found.subject, 1, tmp_path)
    assert start.warm_s > 0 and start.cold_s > 0
    assert 5e6 < start.start_bytes < start.peak_bytes < 2e9


@pytest.mark.parametrize("name", OPPONENTS)
def test_a_missing_engine_says_how_to_install_it(name: str, monkeypatch: pytest.MonkeyPatch):
    for module in ("onnxruntime", "openvino", "iree.runtime", "iree.compiler", "iree.compiler.tools", "iree"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(VccError) as failure:
        opponents([name])
    assert failure.value.diagnostics[0].code == "E0601" and "pip install" in failure.value.diagnostics[0].help


def test_block_is_the_median():
    assert block(FakeSession("a", []), 3) > 0
