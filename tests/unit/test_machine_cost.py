"""Costs: rounded to the hardware's granules, the same for scalars and arrays."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.compiler.targets import load_target
from vcc.runtime.isa.kernel import Memory, Pipe, Role
from vcc.runtime.isa.table import OPS, Cost
from vcc.runtime.machine.cost import (
    conflict_cycles,
    contiguous_pieces,
    instruction_cycles,
    matrix_cycles,
    share_bank,
    transfer_cycles,
    transfer_rate,
    vector_cycles,
)

VN1 = load_target("vn1")


def test_products_are_rounded_up_to_fractals():
    start = VN1.startup[Pipe.M]
    assert matrix_cycles(VN1, "f16", 128, 128, 64) == start + 128 * 128 * 64 // 4096
    assert matrix_cycles(VN1, "f16", 1, 1, 1) == matrix_cycles(VN1, "f16", 16, 16, 16) == start + 1
    assert matrix_cycles(VN1, "u8", 16, 32, 16) == start + 1
    with pytest.raises(KeyError):
        matrix_cycles(VN1, "f64", 1, 1, 1)


def test_vectors_are_whole():
    start = VN1.startup[Pipe.V]
    assert vector_cycles(VN1, "f32", 65) == start + 2
    assert vector_cycles(VN1, "f16", 65) == start + 1
    assert vector_cycles(VN1, "f32", 65, transcendental=True) == start + 2 * VN1.transcendental


def test_transfers_are_bound_by_the_share_of_memory_and_by_bursts():
    assert transfer_rate(VN1, Pipe.IN) == pytest.approx(889 / 24)
    assert transfer_rate(VN1, Pipe.IN, l2=True) == pytest.approx(2222 / 24)
    assert transfer_rate(VN1, Pipe.MOV) == 512
    whole = transfer_cycles(VN1, Pipe.MOV, 1 << 16)
    assert whole == VN1.startup[Pipe.MOV] + (1 << 16) // 512
    assert transfer_cycles(VN1, Pipe.MOV, 1 << 16, bursts=1 << 14) == VN1.startup[Pipe.MOV] + (1 << 14) * 32 // 512
    assert transfer_cycles(VN1, Pipe.OUT, 0) == VN1.startup[Pipe.OUT]


def test_arrays_give_what_scalars_give():
    sizes = np.array([1, 15, 16, 17, 300])
    for function in (
        lambda n: matrix_cycles(VN1, "f32", n, 33, n),
        lambda n: vector_cycles(VN1, "i64", n, True),
        lambda n: transfer_cycles(VN1, Pipe.IN, n * 100, n),
        lambda n: instruction_cycles(VN1, OPS["load"], (n, 7), (Role.PARALLEL,) * 2, {"dst": "f16", "src": "f16"}),
    ):
        assert np.asarray(function(sizes)).tolist() == [function(int(n)) for n in sizes]


@pytest.mark.parametrize(
    ("sizes", "strides", "pieces"),
    [
        ((4, 8), (8, 1), 1),
        ((4, 8), (16, 1), 4),
        ((4, 8), (1, 4), 1),
        ((4, 8), (1, 8), 8),
        ((5, 4), (0, 1), 1),
        ((), (), 1),
    ],
)
def test_contiguous_pieces(sizes: tuple[int, ...], strides: tuple[int, ...], pieces: int):
    assert contiguous_pieces(sizes, strides) == pieces


@pytest.mark.parametrize(
    ("distance", "meet"),
    [(0, True), (255, True), (256, False), (1024, False), (1792, False), (1793, True), (2048, True), (-256, False)],
)
def test_vectors_meet_in_a_bank_by_their_distance(distance: int, meet: bool):
    assert share_bank(VN1, Memory.UB, distance) == meet
    assert not share_bank(VN1, Memory.L1, distance)
    assert conflict_cycles(VN1, Memory.UB, 10) == 10 and conflict_cycles(VN1, Memory.L1, 10) == 0


def test_every_instruction_has_a_cost():
    for op in OPS.values():
        dtypes = {spec.role: spec.dtypes[0] for spec in op.operands}
        cycles = instruction_cycles(VN1, op, (8, 8), (op.roles[0], op.roles[-1]), dtypes)
        assert isinstance(cycles, int)
        assert cycles > VN1.startup[op.pipe]
        if op.cost is Cost.BYTES:
            assert instruction_cycles(VN1, op, (8, 8), (Role.PARALLEL,) * 2, dtypes, bursts=1) <= cycles
