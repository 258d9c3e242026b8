"""A decoded .vbin: everything a runtime needs, and the names that lead back to the ONNX model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.host import HostProgram

if TYPE_CHECKING:
    from vcc.runtime.isa.kernel import Kernel


@dataclass(frozen=True)
class Constant:
    """Weights in the order kernels read them: a flat, read-only array. `note` describes the original layout."""

    name: str
    data: NDArray[Any]
    note: str = ""


@dataclass(frozen=True)
class Value:
    """An observable ONNX value: where `vcc diff` finds it.

    `name` is the ONNX value's, `node` an index into `Image.nodes`, `shape` the logical shape; `axis` and `block`
    say that the physical order has logical axis `axis` split into blocks, whose elements vary fastest (block 0: plain
    row-major order).
    """

    name: str
    node: int
    dtype: DType
    shape: tuple[int, ...]
    axis: int = 0
    block: int = 0


@dataclass(frozen=True)
class LiveRange:
    """One row of the memory plan: bytes `offset..offset+size` hold `name` from step `first` to `last` inclusive."""

    name: str
    offset: int
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Outline:
    """What is needed of a compiled model whose machine code is there already: all but its kernels and their names."""

    host: HostProgram
    constants: tuple[Constant, ...]
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """One compiled model.

    `nodes` are ONNX node names, `values` observable values, `plan` the arena's live ranges, `lower_bound` the largest
    sum of live bytes at any step, `machine` the machine description (TOML text), `remarks` lines of decisions per node.
    """

    kernels: tuple[Kernel, ...]
    host: HostProgram
    constants: tuple[Constant, ...] = ()
    nodes: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    plan: tuple[LiveRange, ...] = ()
    lower_bound: int = 0
    machine: str = ""
    remarks: tuple[tuple[int, str], ...] = field(default=())
    #: Set once it is known: see `program_digest`.
    digest: bytes = field(default=b"", init=False, compare=False, repr=False)

    def kernel(self, name: str) -> Kernel:
        """The kernel of that name. Raises KeyError."""
        for kernel in self.kernels:
            if kernel.name == name:
                return kernel
        raise KeyError(name)
