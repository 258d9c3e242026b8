"""If with a condition that is known only when the program runs, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance import TARGETS, Case, check, node, random
from onnx import TensorProto, helper


def branch(name: str, *nodes: Any) -> Any:
    """A subgraph without inputs; it reads the values around it."""
    result = nodes[-1].output[0]
    return helper.make_graph(list(nodes), name, [], [helper.make_tensor_value_info(result, TensorProto.FLOAT, (3, 8))])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("holds", [True, False])
def test_the_result_is_that_of_the_branch_that_the_condition_names(holds: bool, target: str):
    then = branch("then", node("MatMul", "x w", "a"), node("Relu", "a", "b"))
    inner = node(
        "If", "d", "e", then_branch=branch("a", node("Exp", "x", "f")), else_branch=branch("b", node("Neg", "x", "g"))
    )
    case = Case(
        "if",
        [
            node("If", "c", "r", then_branch=then, else_branch=branch("else", inner)),
            node("Add", "r x"),
        ],
        {"x": random(3, 8), "c": np.array([holds]), "d": np.array(not holds)},
        {"w": random(8, 8)},
    )
    check(case, target)
