"""What a machine has no room for is one clear error per kernel: the node, the memory and the bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance import TINY, Case, compile_model, node, random

from vcc.runtime.diagnostics import Exit, VccError

CASES = [
    ("l0c", 16, Case("conv", [node("Conv", "x w")], {"x": random(1, 32, 5, 5)}, {"w": random(32, 32, 3, 3)})),
    ("l1", 32, Case("conv", [node("Conv", "x w")], {"x": random(1, 32, 5, 5)}, {"w": random(32, 32, 3, 3)})),
    ("l0a", 0, Case("matmul", [node("MatMul", "x w")], {"x": random(9, 32)}, {"w": random(32, 32)})),
    ("ub", 64, Case("add", [node("Add", "x w")], {"x": random(9, 32)}, {"w": random(32)})),
    ("ub", 64, Case("pool", [node("MaxPool", "x", kernel_shape=[3, 3])], {"x": random(1, 32, 5, 5)})),
]


def machine_with(memory: str, nbytes: int, folder: Path) -> str:
    """The tiny machine with another size of one memory."""
    lines = Path(TINY).read_text(encoding="utf-8").splitlines()
    path = folder / "smaller.toml"
    changed = [f"{memory} = {nbytes}" if line.startswith(f"{memory} =") else line for line in lines]
    path.write_text("\n".join(changed), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("memory", "nbytes", "case"), CASES, ids=[f"{c.name}-{m}" for m, _, c in CASES])
def test_what_does_not_fit_names_node_memory_and_bytes(memory: str, nbytes: int, case: Case, tmp_path: Path):
    with pytest.raises(VccError) as failure:
        compile_model(case.model(), machine_with(memory, nbytes, tmp_path))
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.code == "E0140" and failure.value.exit_code is Exit.DOES_NOT_FIT
    assert diagnostic.node == case.nodes[0].name
    assert f" bytes of {memory}, which has {nbytes}" in diagnostic.message


def test_equal_kernels_that_do_not_fit_are_one_line_with_all_nodes(tmp_path: Path):
    nodes = [node("MaxPool", "x", "a", kernel_shape=[2, 2]), node("MaxPool", "z", "b", kernel_shape=[2, 2])]
    case = Case("two", nodes, {"x": random(1, 8, 5, 5), "z": random(1, 8, 5, 5)}, outputs=["a", "b"])
    with pytest.raises(VccError) as failure:
        compile_model(case.model(), machine_with("ub", 64, tmp_path))
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.code == "E0140" and diagnostic.node == "MaxPool_a, MaxPool_b"


def test_all_kernels_that_do_not_fit_are_named_at_once(tmp_path: Path):
    nodes = [node("Conv", "x w", "c"), node("MaxPool", "c", kernel_shape=[2, 2]), node("Exp", "x", "e")]
    case = Case("two", nodes, {"x": random(1, 8, 5, 5)}, {"w": random(8, 8, 1, 1)}, outputs=["y", "e"])
    with pytest.raises(VccError) as failure:
        compile_model(case.model(), machine_with("ub", 64, tmp_path))
    assert {each.node for each in failure.value.diagnostics} >= {"MaxPool_y", "Exp_e"}
    assert {each.code for each in failure.value.diagnostics} == {"E0140"}
