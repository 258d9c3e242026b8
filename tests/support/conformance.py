"""Small models, compiled and run on the interpreter, against ONNX Runtime: what the conformance tests are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options
from vcc.runtime.binary.image import Image
from vcc.runtime.host.executor import Executor
from vcc.runtime.interpreter.engine import InterpreterEngine
from vcc.runtime.isa.host import HostCall
from vcc.runtime.native.program import NativeProgram

Array = NDArray[Any]

TINY = str(Path(__file__).resolve().parent / "tiny.toml")
#: An accelerator, a CPU, and a machine so small that every kernel needs loops and has tails.
TARGETS = ("vn1", "host-avx2", TINY)
#: The target whose programs also run as machine code.
NATIVE = "host-avx2"
OPSET = 18
SEEDS = 4


@dataclass(frozen=True)
class Case:
    """A model and its inputs. `host` are the operators that may run on the host; all others must be kernels.

    `terms` is the length of the longest sum, which the tolerance of f16 grows with.
    """

    name: str
    nodes: Sequence[NodeProto]
    feeds: Mapping[str, Array]
    constants: Mapping[str, Array] = field(default_factory=dict[str, Array])
    outputs: Sequence[str] = ("y",)
    host: frozenset[str] = frozenset()
    terms: int = 1
    targets: Sequence[str] = TARGETS
    opset: int = OPSET

    def model(self) -> ModelProto:
        """The ONNX model; the outputs' types are inferred."""
        return make_model(self.nodes, self.feeds, self.constants, self.outputs, self.opset)


def node(op_type: str, inputs: Sequence[str] | str, output: str = "y", **attributes: Any) -> NodeProto:
    """A node with one output, named after it; inputs may be given as one string of names."""
    names = inputs.split() if isinstance(inputs, str) else list(inputs)
    return helper.make_node(op_type, names, [output], name=f"{op_type}_{output}", **attributes)


def random(*shape: int, dtype: Any = np.float32, seed: int = 0, low: float = -2.0, high: float = 2.0) -> Array:
    """Numbers in low..high, the same for the same arguments; booleans are coins."""
    rng = np.random.default_rng([seed, *shape])
    if np.dtype(dtype) == np.bool_:
        return rng.random(shape) < 0.5
    if np.issubdtype(dtype, np.integer):
        low = max(low, np.iinfo(dtype).min)
        return rng.integers(int(low * 8), int(high * 8), shape, dtype=dtype, endpoint=True)
    return rng.uniform(low, high, shape).astype(dtype)


def make_model(
    nodes: Sequence[NodeProto],
    feeds: Mapping[str, Array],
    constants: Mapping[str, Array],
    outputs: Sequence[str],
    opset: int = OPSET,
) -> ModelProto:
    """A checked model whose inputs have the types of `feeds` and whose outputs have inferred ones."""
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
    ]
    initializers = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    untyped = [helper.make_value_info(name, onnx.TypeProto()) for name in outputs]
    graph = helper.make_graph(list(nodes), "case", inputs, untyped, initializers)
    # What ONNX Runtime of any version can read.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    known = {info.name: info for info in (*_inferred(model), *inputs)}
    for i, name in enumerate(outputs):
        info = known.get(name)
        if info is None:
            array = np.asarray(constants[name])
            info = helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        graph.output[i].CopyFrom(info)
    model.graph.CopyFrom(graph)
    onnx.checker.check_model(model)
    return model


def _inferred(model: ModelProto) -> Sequence[onnx.ValueInfoProto]:
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return [*inferred.value_info, *inferred.output]


def compile_model(model: ModelProto, target: str) -> Image:
    """The image of a model for a target."""
    return Compilation.from_model(model, Options(target=target)).encode()


def run_image(
    image: Image, feeds: Mapping[str, Array], order: int | None = None, cores: int = 1, sanitize: bool = False
) -> list[Array]:
    """The outputs on the interpreter, in program order or in the random legal order of a seed."""
    engine = InterpreterEngine(image, cores=cores, order=order, sanitize=sanitize)
    return Executor(image).run(feeds, engine)


@cache
def _session(serialized: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(serialized, options, providers=["CPUExecutionProvider"])


def reference(model: ModelProto, feeds: Mapping[str, Array]) -> list[Array]:
    """ONNX Runtime's outputs."""
    return [np.asarray(output) for output in _session(model.SerializeToString()).run(None, dict(feeds))]


def assert_close(actual: Array, expected: Array, terms: int = 1, what: str = "") -> None:
    """Exact for integers; floats within the relative L2 error of their dtype, absolute where all is about zero.

    f32 and f64 have 1e-5, f16 twice its epsilon, since both sides round results and intermediate values to it, times
    the square root of the number of terms that are added in it.
    """
    assert actual.shape == expected.shape and actual.dtype == expected.dtype, what
    if not np.issubdtype(expected.dtype, np.floating):
        np.testing.assert_array_equal(actual, expected, err_msg=what)
        return
    limit = 1e-5
    if expected.dtype == np.float16:
        limit = 2 * float(np.finfo(np.float16).eps) * terms**0.5
    a, b = actual.astype(np.float64), expected.astype(np.float64)
    special = ~np.isfinite(b)
    np.testing.assert_array_equal(a[special], b[special], err_msg=what)
    a, b = a[~special], b[~special]
    error, size = float(np.linalg.norm(a - b)), float(np.linalg.norm(b))
    near_zero = size <= 1e-6 * max(1, b.size) ** 0.5
    assert error <= (1e-6 * max(1, b.size) ** 0.5 if near_zero else limit * size), f"{what}: {error} of {size}"


def check(case: Case, target: str) -> None:
    """Compile a case, run it in program order and in a few others on several cores, and compare with the reference."""
    model = case.model()
    image = compile_model(model, target)
    called = {step.op_type for step in image.host.steps if isinstance(step, HostCall)}
    assert called <= case.host, f"{case.name}: {called - case.host} run on the host"
    actual = run_image(image, case.feeds)
    for name, a, b in zip(case.outputs, actual, reference(model, case.feeds), strict=True):
        assert_close(a, b, case.terms, f"{case.name}, output {name}")
    if target == NATIVE:
        for name, a, b in zip(case.outputs, NativeProgram(image, 1).run(case.feeds), actual, strict=True):
            assert_close(a, b, case.terms, f"{case.name}, output {name}, native")
    # Small memories make the most iterations, and so the most ways to go wrong.
    check_orders(case, image, actual, range(SEEDS if target == TINY else 1))


def check_orders(case: Case, image: Image, expected: Sequence[Array], seeds: Sequence[int] = range(SEEDS)) -> None:
    """Every legal order gives the very results of program order, since each instruction is atomic.

    The first order runs under the sanitizer, which finds accesses that no event orders even where they go well.
    """
    for seed in seeds:
        for a, b in zip(run_image(image, case.feeds, seed, 1 + seed % 3, seed == 0), expected, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"{case.name}: order {seed}")


def parametrize(cases: Sequence[Case]) -> pytest.MarkDecorator:
    """Every case on each of its targets, as the arguments `case` and `target`."""
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), "two cases have one name"
    return pytest.mark.parametrize(
        ("case", "target"),
        [
            pytest.param(case, target, id=f"{case.name}-{Path(target).stem}")
            for case in cases
            for target in case.targets
        ],
    )
