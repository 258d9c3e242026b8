"""Running whole programs: inputs checked, outputs fresh, launches and host calls in turn, values observed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx.helper
import pytest

from vcc.runtime.binary.image import Constant, Image, Value
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.host import HostCall, HostProgram, HostTensor, Launch, Ref, Space, TensorSpec
from vcc.runtime.session import Program, load

F32 = BY_NAME["f32"]
KERNEL = """
kernel addmul(x: gm f32[%n] in, w: gm f32[%n] in, y: gm f32[%n] out, n: i64 1..64) {
  buf a: ub f32[64] @0
  buf b: ub f32[64] @256
  load {j: %n max 64} a(1), x(1)
  load {j: %n max 64} b(1), w(1)
  mul {j: %n max 64} a(1), a(1), b(1) !src(0)
  add {j: %n max 64} a(1), a(1), 1.0 !src(1) !tap 0(1)
  store {j: %n max 64} y(1), a(1) !src(1)
}
"""
X, Y, ARENA = Ref(Space.INPUT), Ref(Space.OUTPUT), Ref(Space.ARENA, 0, 64)


@pytest.fixture
def image() -> Image:
    (kernel,) = parse_kernel_text(KERNEL)
    node = onnx.helper.make_node("Transpose", ["t"], ["y"], perm=[1, 0]).SerializeToString()
    steps = (
        Launch("addmul", (X, Ref(Space.CONST), ARENA, 12), ((0,), (1,)), (0,)),
        HostCall(
            "", "Transpose", 17, node, (HostTensor(ARENA, F32, (3, 4)),), (HostTensor(Y, F32, (4, 3)),), (2,), (1,)
        ),
    )
    host = HostProgram((TensorSpec("x", F32, (3, 4)),), (TensorSpec("y", F32, (4, 3)),), steps, arena_bytes=128)
    values = (Value("t", 1, F32, (3, 4)), Value("y", 2, F32, (4, 3)))
    weights = Constant("w", np.arange(12, dtype=np.float32))
    return Image((kernel,), host, (weights,), nodes=("Mul_0", "Add_0", "Transpose_0"), values=values)


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)


def expected(x: np.ndarray) -> np.ndarray:
    return (x * np.arange(12, dtype=np.float32).reshape(3, 4) + 1).T


def test_a_program_runs_launches_and_host_calls(image: Image, x: np.ndarray):
    program = Program(image)
    before = x.copy()
    (by_name,) = program.run({"x": x})
    (by_position,) = program.run([x])
    assert np.array_equal(by_name, expected(x)) and np.array_equal(by_position, expected(x))
    assert by_name is not by_position and np.array_equal(x, before)


def test_a_saved_program_is_loaded_and_runs(image: Image, x: np.ndarray, tmp_path: Path):
    Program(image).save(tmp_path / "p.vbin")
    program = load(tmp_path / "p.vbin")
    assert program.inputs == image.host.inputs and program.outputs == image.host.outputs
    assert np.array_equal(program.run([x])[0], expected(x))


def test_a_program_that_is_not_sound_is_not_loaded(image: Image, tmp_path: Path):
    (kernel,) = parse_kernel_text(KERNEL.replace("store {j: %n max 64} y(1)", "store {j: %n max 64} y[1](1)"))
    Program(Image((kernel,), image.host, image.constants, image.nodes, image.values)).save(tmp_path / "p.vbin")
    with pytest.raises(VccError) as caught:
        load(tmp_path / "p.vbin")
    assert caught.value.diagnostics[0].code == "E0302"


def test_inputs_may_be_strided_and_outputs_the_callers(image: Image, x: np.ndarray):
    out = np.zeros((4, 3), np.float32)
    (result,) = Program(image).run({"x": np.asfortranarray(x)}, out=[out])
    assert result is out and np.array_equal(out, expected(x))


def test_an_output_may_be_an_input_array():
    (kernel,) = parse_kernel_text("""
        kernel reverse(x: gm f32[8] in, y: gm f32[8] out) {
          buf t: ub f32[1]
          loop %i = 0..8 {
            load {j:1} t(1), x[%i](1)
            store {j:1} y[7-%i](1), t(1)
          }
        }""")
    spec = TensorSpec("x", F32, (8,)), TensorSpec("y", F32, (8,))
    program = Program(Image((kernel,), HostProgram(spec[:1], spec[1:], (Launch("reverse", (X, Y)),))))
    x = np.arange(8, dtype=np.float32)
    program.run([x], out=[x])
    assert np.array_equal(x, np.arange(8)[::-1])


def test_what_no_kernel_writes_shows(image: Image, x: np.ndarray):
    launch = Launch("addmul", (X, Ref(Space.CONST), Y, 5))
    program = Program(
        Image(image.kernels, HostProgram(image.host.inputs, image.host.outputs, (launch,)), image.constants)
    )
    (y,) = program.run([x], engine="interpreter")
    assert np.isnan(y.reshape(-1)[5:]).all() and not np.isnan(y.reshape(-1)[:5]).any()


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({"z": 1, "x": np.zeros((3, 4), np.float32)}, "the model has no input 'z'; it has 'x'"),
        ({}, r"input 'x' \(f32\[3,4\]\) was not given"),
        ({"x": np.zeros((3, 4))}, r"input 'x' is f32\[3,4\], but f64\[3,4\] was given"),
        ({"x": np.zeros((4, 3), np.float32)}, r"but f32\[4,3\] was given"),
        ({"x": np.zeros((3, 4), np.complex64)}, r"but complex64\[3,4\] was given"),
        ([], "the model has 1 input "),
        (np.zeros((3, 4), np.float32), r"a dict or a list of arrays, not an array f32\[3,4\]"),
        ({"x": [[1.0], [1.0, 2.0]]}, r"input 'x' is f32\[3,4\], not an array"),
    ],
)
def test_unsuitable_inputs_are_told_against_what_is_expected(image: Image, feeds: object, message: str):
    with pytest.raises(VccError, match=message) as caught:
        Program(image).run(feeds)  # pyright: ignore[reportArgumentType]
    assert caught.value.diagnostics[0].code == "E0105"


def test_what_to_do_about_unsuitable_inputs_is_told(image: Image, x: np.ndarray):
    for given, remedy in (
        (x.astype(np.float64), "numpy.asarray(..., numpy.float32) converts it"),
        (x.astype(">f4"), "numpy.asarray(..., numpy.float32) converts it"),
        (x[:2], "compile the model for that shape: --shape x:2x4, shapes={...: [2, 4]}"),
    ):
        with pytest.raises(VccError) as caught:
            Program(image).run([given])
        assert caught.value.diagnostics[0].help == remedy


def test_unsuitable_outputs_are_told(image: Image, x: np.ndarray):
    with pytest.raises(VccError, match=r"output 'y' is f32\[4,3\], but the array is f32\[3,4\]"):
        Program(image).run([x], out=[x.copy()])


def test_what_is_no_list_of_arrays_is_no_place_for_outputs(image: Image, x: np.ndarray):
    for out, message in (({"y": x}, "out is a list of arrays"), (x, "not an array f32"), ([3], "needs a numpy array")):
        with pytest.raises(VccError, match=message):
            Program(image).run([x], out=out)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("threads", [0, -1, 1025, 1.5, "2"])
def test_what_is_no_number_of_threads_is_told(image: Image, x: np.ndarray, threads: int):
    with pytest.raises(VccError, match="a number from 1 to 1024 is expected") as caught:
        Program(image).run([x], threads=threads)
    assert caught.value.diagnostics[0].code == "E0202"


def test_an_unknown_engine_names_those_there_are(image: Image, x: np.ndarray):
    with pytest.raises(VccError, match=r"unknown engine 'gpu'; there are: .*interpreter") as caught:
        Program(image).run([x], engine="gpu")
    assert caught.value.diagnostics[0].code == "E0202"


def test_stats_are_told_by_node(image: Image, x: np.ndarray):
    rows = {row["node"]: row for row in Program(image).stats([x]).rows("node")}
    assert rows["Mul_0"] == {
        "node": "Mul_0", "instructions": 1, "macs": 0, "elements": 12, "bytes_in": 0, "bytes_out": 0,
    }  # fmt: skip
    assert rows["Add_0"]["elements"] == 12 and rows["Add_0"]["bytes_out"] == 48
    assert rows[""]["bytes_in"] == 96


def test_values_of_kernels_and_host_calls_are_observed(image: Image, x: np.ndarray):
    outputs, values = Program(image).observe([x])
    assert np.array_equal(values["t"], expected(x).T) and np.array_equal(values["y"], outputs[0])


def test_a_reference_beyond_its_memory_is_an_error(image: Image, x: np.ndarray):
    short = Image(
        image.kernels,
        HostProgram(image.host.inputs, image.host.outputs, image.host.steps, arena_bytes=64),
        image.constants,
    )
    with pytest.raises(VccError, match="more than there are in arena 0 at byte 64"):
        Program(short).run([x])


def test_a_failing_host_operator_names_its_node(image: Image, x: np.ndarray):
    node = onnx.helper.make_node("Transpose", ["t"], ["y"], perm=[0, 1]).SerializeToString()
    call = HostCall("", "Transpose", 17, node, (HostTensor(X, F32, (3, 4)),), (HostTensor(Y, F32, (4, 3)),), (2,))
    program = Program(Image((), HostProgram(image.host.inputs, image.host.outputs, (call,)), nodes=image.nodes))
    with pytest.raises(VccError, match=r"(?s)a result is float32\[3, 4\] instead.*'Transpose_0' \(Transpose\)"):
        program.run([x])


def test_operands_of_a_host_call_go_by_position():
    """One operand twice, an optional one left out, a result left out; the names in the node do not matter."""
    node = onnx.helper.make_node("TopK", ["a", "b"], ["", "c"], axis=0).SerializeToString()
    i64 = BY_NAME["i64"]
    spec = TensorSpec("x", F32, (4,)), TensorSpec("k", i64, (1,)), TensorSpec("y", i64, (2,))
    top = HostCall(
        "ai.onnx", "TopK", 11, node, (HostTensor(X, F32, (4,)), HostTensor(Ref(Space.INPUT, 1), i64, (1,))),
        (HostTensor(None, F32, (2,)), HostTensor(Y, i64, (2,))),
    )  # fmt: skip
    program = Program(Image((), HostProgram(spec[:2], spec[2:], (top,))))
    (y,) = program.run([np.array([3, 9, 1, 7], np.float32), np.array([2])])
    assert np.array_equal(y, [1, 3])
    node = onnx.helper.make_node("Clip", ["a", "", "a"], ["c"]).SerializeToString()
    scalar = HostTensor(X, F32, ())
    clip = HostCall(
        "", "Clip", 13, node, (scalar, HostTensor(None, F32, ()), scalar), (HostTensor(Y, F32, ()),)
    )  # fmt: skip
    program = Program(Image((), HostProgram((TensorSpec("x", F32, ()),), (TensorSpec("y", F32, ()),), (clip,))))
    (y,) = program.run([np.array(3, np.float32)])
    assert y.shape == () and y == 3


def test_an_operator_without_a_reference_implementation_is_an_error():
    node = onnx.helper.make_node("Nonsense", ["a"], ["b"]).SerializeToString()
    call = HostCall("my.domain", "Nonsense", 1, node, (HostTensor(X, F32, (1,)),), (HostTensor(Y, F32, (1,)),))
    program = Program(Image((), HostProgram((TensorSpec("x", F32, (1,)),), (TensorSpec("y", F32, (1,)),), (call,))))
    with pytest.raises(VccError, match="the reference implementation does not take it") as caught:
        program.run([np.zeros(1, np.float32)])
    assert caught.value.diagnostics[0].code == "E0121"
