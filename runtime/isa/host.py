"""The host program: what the controlling CPU does between kernels, as a table of steps and their operands.

Steps run in order. Tensors live in buffers named by `Ref`s; the arena is one block of global memory, planned at compile
time. Offsets are bytes, extents elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vcc.runtime.isa.dtypes import DType


class Space(StrEnum):
    """Where a tensor of the host program lies."""

    INPUT = "input"
    OUTPUT = "output"
    CONST = "const"
    ARENA = "arena"


@dataclass(frozen=True)
class Ref:
    """A place for a tensor: the `index`-th input, output or constant, or the arena; `offset` in bytes into it."""

    space: Space
    index: int = 0
    offset: int = 0


@dataclass(frozen=True)
class TensorSpec:
    """A graph input or output: its ONNX name, dtype and static shape."""

    name: str
    dtype: DType
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Launch:
    """Run a kernel. `args` gives each parameter a place or an integer, in the kernel's order.

    `sources[i]` are the ONNX nodes (indices into `Image.nodes`) that the kernel's source i stands for in this launch;
    `taps[i]` is the observable value (index into `Image.values`) that the kernel's tap i stands for, -1 for none.
    """

    kernel: str
    args: tuple[Ref | int, ...]
    sources: tuple[tuple[int, ...], ...] = ()
    taps: tuple[int, ...] = ()


@dataclass(frozen=True)
class HostTensor:
    """An operand or result of a host call: where it lies (None for an omitted optional), its dtype and shape."""

    ref: Ref | None
    dtype: DType
    shape: tuple[int, ...]


@dataclass(frozen=True)
class HostCall:
    """Run one ONNX operator through its reference implementation; `node` is a serialised NodeProto.

    `sources` are indices into `Image.nodes`; `values[i]` is the observable value that output i is, -1 for none.
    """

    domain: str
    op_type: str
    version: int
    node: bytes
    inputs: tuple[HostTensor, ...]
    outputs: tuple[HostTensor, ...]
    sources: tuple[int, ...] = ()
    values: tuple[int, ...] = ()
    reason: str = ""


Step = Launch | HostCall


@dataclass(frozen=True)
class HostProgram:
    """Inputs, outputs and steps of one model; `arena_bytes` of global memory are needed to run it."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    steps: tuple[Step, ...]
    arena_bytes: int = 0
