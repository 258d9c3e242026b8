"""The numbers that stand for what only kernels have; see format.py."""

from __future__ import annotations

from vcc.runtime.isa.kernel import Memory, Pipe, Role

MEMORIES = (Memory.GM, Memory.L1, Memory.L0A, Memory.L0B, Memory.L0C, Memory.UB)
PIPES = (Pipe.S, Pipe.IN, Pipe.MOV, Pipe.M, Pipe.V, Pipe.OUT)
ROLES = (Role.PARALLEL, Role.M, Role.N, Role.K, Role.REDUCE, Role.SCAN)
