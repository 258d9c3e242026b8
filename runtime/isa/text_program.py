"""The syntax tree of a whole program to an `Image`: directives, constants and the host program."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lark import Token
from numpy.typing import NDArray

from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.host import HostCall, HostProgram, HostTensor, Launch, Ref, Space, Step, TensorSpec
from vcc.runtime.isa.kernel import Kernel, TensorParam
from vcc.runtime.isa.text_errors import Problems
from vcc.runtime.isa.text_kernel import KernelBuilder, inline

if TYPE_CHECKING:
    from vcc.runtime.binary.image import Constant, Image, LiveRange, Value

Type = tuple[DType, tuple[int, ...]]


@inline
class ProgramBuilder(KernelBuilder):
    """Builds an `Image`; `folder` is where files named by `.incbin` are looked for, if not in the working directory."""

    def __init__(self, problems: Problems, folder: Path):
        super().__init__(problems)
        self._folder = folder
        self._inputs: list[TensorSpec] = []
        self._outputs: list[TensorSpec] = []
        self._nodes: list[str] = []
        self._values: list[Value] = []
        self._constants: list[Constant] = []
        self._plan: list[LiveRange] = []
        self._remarks: list[tuple[int, str]] = []
        self._kernels: dict[str, Kernel] = {}
        self._steps: list[Step] = []
        self._launches: list[tuple[Token, Launch]] = []
        self._sizes = {"arena": 0, "lower_bound": 0}
        self._machine = ""

    # ---- directives ----

    def type(self, dtype: Token, shape: tuple[int, ...] | None) -> Type:
        if any(size < 0 for size in shape or ()):
            self.problems.at(dtype, "a negative size")
        return self.dtype(dtype), shape or ()

    def machine(self, text: str) -> None:
        self._machine += text

    def input(self, name: str, type: Type) -> None:
        self._inputs.append(TensorSpec(name, *type))

    def output(self, name: str, type: Type) -> None:
        self._outputs.append(TensorSpec(name, *type))

    def node(self, number: Token, name: str) -> None:
        self._numbered(number, self._nodes, name)

    def traced(
        self, number: Token, name: str, type: Type, node: int, axis: int | None, block: int | None
    ) -> None:  # fmt: skip
        from vcc.runtime.binary.image import Value

        self._numbered(number, self._values, Value(name, node, *type, axis or 0, block or 0))

    def constant_data(self, number: Token, name: str, type: Type, note: str | None, data: bytes | None) -> None:
        from vcc.runtime.binary.image import Constant

        dtype, shape = type
        if data is None or self.problems:
            return
        expected = prod(shape) * dtype.size
        if len(data) != expected:
            self.problems.at(number, f"constant {number} has {len(data)} bytes, but its type needs {expected}")
            return
        array: NDArray[Any] = np.frombuffer(data, dtype.numpy).reshape(shape)
        self._numbered(number, self._constants, Constant(name, array, note or ""))

    def base64(self, text: Token) -> bytes | None:
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            self.problems.at(text, "not valid base64")
            return None

    def incbin(self, name: str, offset: Token, size: Token, digest: str) -> bytes | None:
        data = self._bytes_of(name, offset, int(size))
        if data is not None and hashlib.sha256(data).hexdigest() != digest:
            self.problems.at(
                offset,
                f"bytes {offset}..{int(offset) + int(size)} of '{name}' are not those that were disassembled",
                "disassemble the file again, or restore the one it was made from",
            )
            return None
        return data

    def _bytes_of(self, name: str, offset: Token, size: int) -> bytes | None:
        """Bytes of a file; fewer where it ends before."""
        for path in (self._folder / name, Path(name)):
            try:
                with path.open("rb") as file:
                    end = file.seek(0, os.SEEK_END)
                    file.seek(min(int(offset), end))
                    return file.read(min(size, end))
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
        self.problems.at(offset, f"cannot read the file {name!r} of this constant: {reason}")
        return None

    def arena(self, size: Token) -> None:
        self._sizes["arena"] = int(size)

    def lower_bound(self, size: Token) -> None:
        self._sizes["lower_bound"] = int(size)

    def live(self, name: str, offset: int, size: int, first: int, last: int) -> None:
        from vcc.runtime.binary.image import LiveRange

        self._plan.append(LiveRange(name, offset, size, first, last))

    def remark(self, node: int, text: str) -> None:
        self._remarks.append((node, text))

    def _numbered(self, number: Token, rows: list[Any], row: object) -> None:
        if int(number) != len(rows):
            self.problems.at(number, f"numbers go up from 0: expected {len(rows)}, found {number}")
        rows.append(row)

    # ---- the host program ----

    def place(self, space: Token, index: Token | None, offset: Token | None) -> Ref:
        return Ref(Space(str(space)), int(index or 0), int(offset or 0))

    def args(self, *args: Ref | int) -> tuple[Ref | int, ...]:
        return args

    def list(self, numbers: tuple[int, ...] | None) -> tuple[int, ...]:
        return numbers or ()

    def groups(self, *groups: tuple[int, ...] | None) -> tuple[tuple[int, ...], ...]:
        return tuple(group for group in groups if group is not None)

    def launch(
        self, name: Token, args: tuple[Ref | int, ...] | None, sources: tuple[tuple[int, ...], ...] | None,
        taps: tuple[int, ...] | None,
    ) -> None:  # fmt: skip
        step = Launch(str(name), args or (), sources or (), taps or ())
        self._steps.append(step)
        self._launches.append((name, step))

    def tensor(self, place: Ref | Token, type: Type) -> HostTensor:
        return HostTensor(place if isinstance(place, Ref) else None, *type)

    def tensors(self, *tensors: HostTensor) -> tuple[HostTensor, ...]:
        return tensors

    def call(
        self, op: Token, inputs: tuple[HostTensor, ...] | None, outputs: tuple[HostTensor, ...] | None, version: int,
        domain: str | None, sources: tuple[int, ...] | None, values: tuple[int, ...] | None, reason: str | None,
        node: Token,
    ) -> None:  # fmt: skip
        self._steps.append(
            HostCall(
                domain or "", str(op), version, self.base64(node) or b"", inputs or (), outputs or (), sources or (),
                values or (), reason or "",
            )
        )  # fmt: skip

    def host(self, *_steps: None) -> None:
        pass

    def _check_launch(self, name: Token, launch: Launch) -> None:
        kernel = self._kernels.get(launch.kernel)
        if kernel is None:
            self.problems.unknown(name, "kernel", self._kernels)
            return
        if len(launch.args) != len(kernel.params):
            self.problems.at(name, f"'{name}' takes {len(kernel.params)} arguments, not {len(launch.args)}")
            return
        for param, arg in zip(kernel.params, launch.args, strict=True):
            if isinstance(param, TensorParam) != isinstance(arg, Ref):
                wanted = "a place" if isinstance(param, TensorParam) else "an integer"
                self.problems.at(name, f"argument {param.name} of '{name}' must be {wanted}")

    # ---- all of it ----

    def program(self, *items: Kernel | None) -> Image:
        from vcc.runtime.binary.image import Image

        kernels = tuple(item for item in items if item is not None)
        self._kernels = {kernel.name: kernel for kernel in kernels}
        for name, launch in self._launches:
            self._check_launch(name, launch)
        return Image(
            kernels,
            HostProgram(tuple(self._inputs), tuple(self._outputs), tuple(self._steps), self._sizes["arena"]),
            tuple(self._constants),
            tuple(self._nodes),
            tuple(self._values),
            tuple(self._plan),
            self._sizes["lower_bound"],
            self._machine,
            tuple(self._remarks),
        )
