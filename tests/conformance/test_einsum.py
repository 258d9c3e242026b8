"""Einsum against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance import NATIVE, TINY, Case, check, node, parametrize, random


def einsum(equation: str, *shapes: tuple[int, ...], dtype: Any = np.float32) -> Case:
    """An Einsum of random operands; vn1 does not multiply f64."""
    names = [f"x{i}" for i in range(len(shapes))]
    feeds = {
        name: random(*shape, seed=i, dtype=dtype) for i, (name, shape) in enumerate(zip(names, shapes, strict=True))
    }
    label = equation.replace("->", "=").replace(",", "_").replace("...", "~")
    targets = (NATIVE, TINY) if dtype != np.float64 else (NATIVE,)
    return Case(f"{label}-{np.dtype(dtype).name}", [node("Einsum", names, equation=equation)], feeds, targets=targets)


CASES = [
    einsum("ij,jk->ik", (3, 4), (4, 5)),
    einsum("bnd,hdk->bhnk", (2, 7, 8), (3, 8, 5)),
    einsum("bhik,bhjk->bhij", (2, 3, 5, 4), (2, 3, 6, 4)),
    einsum("bind,bjnd->bnij", (2, 5, 3, 4), (2, 6, 3, 4)),
    einsum("...ij,...jk->...ik", (2, 3, 4, 5), (2, 3, 5, 6)),
    einsum("ijbs,ibns->bnij", (5, 5, 2, 3), (5, 2, 4, 3)),
    einsum("nctv,vw->nctw", (2, 3, 4, 5), (5, 6)),
    einsum("i,j->ij", (4,), (5,)),
    einsum("i,i", (6,), (6,)),
    einsum("bii->bi", (3, 4, 4)),
    einsum("ij->", (3, 5)),
    einsum("bnd,bnd->bn", (2, 5, 7), (2, 5, 7)),
    einsum("bi,bj,ij->b", (3, 4), (3, 5), (4, 5)),
    einsum("bij,bjk->bik", (2, 3, 4), (2, 4, 5), dtype=np.int32),
    einsum("bij,bjk->bik", (2, 3, 4), (2, 4, 5), dtype=np.float64),
]


@parametrize(CASES)
def test_einsum(case: Case, target: str):
    check(case, target)
