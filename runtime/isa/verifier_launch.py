"""The host program: places that exist, arguments that fit the kernels' parameters, results that are written."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from vcc.runtime.diagnostics import Diagnostic
from vcc.runtime.isa.dtypes import DType, dtype_of
from vcc.runtime.isa.host import HostCall, HostTensor, Launch, Ref, Space
from vcc.runtime.isa.kernel import Kernel, ScalarParam, TensorParam
from vcc.runtime.isa.verifier_bounds import check_global
from vcc.runtime.isa.verifier_report import Report

if TYPE_CHECKING:
    from vcc.runtime.binary.image import Image


def check_program(image: Image) -> list[Diagnostic]:
    """Every problem of an image besides those of its kernels, which must be sound."""
    return _Program(image).check()


class _Program:
    """Checks one image; `places` are dtype and bytes of what a Ref may name."""

    def __init__(self, image: Image):
        self.image = image
        self.kernels = {kernel.name: kernel for kernel in image.kernels}
        self.found: dict[Diagnostic, None] = {}
        self.checked: set[tuple[str, tuple[int, ...]]] = set()
        self.written: set[int] = set()
        self.where, self.node = "", ""
        host = image.host
        specs = {Space.INPUT: host.inputs, Space.OUTPUT: host.outputs}
        self.places: dict[tuple[Space, int], tuple[DType | None, int]] = {
            (space, number): (spec.dtype, prod(spec.shape) * spec.dtype.size)
            for space, row in specs.items()
            for number, spec in enumerate(row)
        }
        for number, constant in enumerate(image.constants):
            self.places[Space.CONST, number] = (dtype_of(constant.data.dtype), constant.data.nbytes)
        self.places[Space.ARENA, 0] = (None, host.arena_bytes)

    def fail(self, what: str) -> None:
        self.found[Diagnostic("E0302", f"{self.where}{what}", node=self.node)] = None

    def check(self) -> list[Diagnostic]:
        image = self.image
        names = [kernel.name for kernel in image.kernels]
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                self.fail(f"there are {names.count(name)} kernels named {name}")
        for number, step in enumerate(image.host.steps):
            self.where = f"step {number}: "
            groups = step.sources if isinstance(step, Launch) else (step.sources,)
            nodes = [node for group in groups for node in group]
            self.node = next((image.nodes[node] for node in nodes if node < len(image.nodes)), "")
            self.numbers("node", nodes, len(image.nodes))
            if isinstance(step, Launch):
                self.launch(step)
            else:
                self.host_call(step)
        self.where = self.node = ""
        for number, spec in enumerate(image.host.outputs):
            if number not in self.written and prod(spec.shape):
                self.fail(f"output '{spec.name}' is never written")
        self.rest()
        return list(self.found)

    def rest(self) -> None:
        image = self.image
        self.numbers("node", [value.node for value in image.values if value.node != -1], len(image.nodes))
        self.numbers("node", [node for node, _ in image.remarks if node != -1], len(image.nodes))
        for row in image.plan:
            if row.offset + row.size > image.host.arena_bytes or not row.first <= row.last < len(image.host.steps):
                self.fail(f"memory plan: {row.name} does not lie within the arena and the steps")

    def numbers(self, what: str, numbers: list[int], count: int) -> None:
        for number in numbers:
            if not 0 <= number < count:
                self.fail(f"there is no {what} {number} (of {count})")

    def launch(self, launch: Launch) -> None:
        kernel = self.kernels.get(launch.kernel)
        if kernel is None:
            self.fail(f"there is no kernel {launch.kernel}")
            return
        self.where += f"launch of {kernel.name}: "
        if len(launch.args) != len(kernel.params):
            self.fail(f"{len(launch.args)} arguments for {len(kernel.params)} parameters")
            return
        if len(launch.sources) != kernel.num_sources or len(launch.taps) != kernel.num_taps:
            self.fail(
                f"{len(launch.sources)} sources and {len(launch.taps)} taps; "
                f"the kernel has {kernel.num_sources} and {kernel.num_taps}"
            )
        self.numbers("value", [value for value in launch.taps if value != -1], len(self.image.values))
        before = len(self.found)
        scalars = self.scalars(kernel, launch)
        if len(self.found) == before:
            self.tensors(kernel, launch, scalars)
        if len(self.found) == before:
            self.accesses(kernel, scalars)

    def scalars(self, kernel: Kernel, launch: Launch) -> dict[str, int]:
        """The values of the scalar parameters."""
        values: dict[str, int] = {}
        for param, arg in zip(kernel.params, launch.args, strict=True):
            if isinstance(param, ScalarParam) == isinstance(arg, Ref):
                wanted, given = ("an integer", "a place") if isinstance(arg, Ref) else ("a place", "an integer")
                self.fail(f"parameter {param.name} takes {wanted}, not {given}")
            elif isinstance(param, ScalarParam) and isinstance(arg, int):
                values[param.name] = arg
                if not param.low <= arg <= param.high:
                    self.fail(f"parameter {param.name} must be {param.low}..{param.high}, not {arg}")
        return values

    def tensors(self, kernel: Kernel, launch: Launch, scalars: Mapping[str, int]) -> None:
        for param, arg in zip(kernel.params, launch.args, strict=True):
            if isinstance(param, TensorParam) and isinstance(arg, Ref):
                extent = param.extent.evaluate(scalars)
                if extent < 0:
                    self.fail(f"parameter {param.name} has the negative extent {extent}")
                self.place(f"parameter {param.name}", arg, param.dtype, extent, param.mode != "in")

    def accesses(self, kernel: Kernel, scalars: Mapping[str, int]) -> None:
        """The kernel's accesses to global memory with these scalars; without scalars they were checked before."""
        key = (kernel.name, tuple(scalars.values()))
        if scalars and key not in self.checked:
            self.checked.add(key)
            report = Report(kernel.name)
            check_global(kernel, report, scalars)
            for problem in report.found:
                self.fail(problem.message)

    def place(self, what: str, ref: Ref, dtype: DType, elements: int, written: bool) -> None:
        if (ref.space, ref.index) not in self.places:
            self.fail(f"{what}: there is no {ref.space} {ref.index}")
            return
        own, nbytes = self.places[ref.space, ref.index]
        if own is not None and own != dtype:
            self.fail(f"{what} is of {dtype}, and {ref.space} {ref.index} of {own}")
        if ref.offset < 0 or ref.offset % dtype.size:
            self.fail(f"{what}: offset {ref.offset} is no multiple of the {dtype.size} bytes of {dtype}")
        if ref.offset + elements * dtype.size > nbytes:
            self.fail(
                f"{what} needs {elements * dtype.size} bytes at offset {ref.offset} of {ref.space} {ref.index}, "
                f"which has {nbytes}"
            )
        if written and ref.space in (Space.INPUT, Space.CONST):
            self.fail(f"{what} is written, and {ref.space} {ref.index} may not be")
        if written and ref.space is Space.OUTPUT:
            self.written.add(ref.index)

    def host_call(self, call: HostCall) -> None:
        self.where += f"host call of {call.op_type}: "
        self.numbers("value", [value for value in call.values if value != -1], len(self.image.values))
        if len(call.values) > len(call.outputs):
            self.fail(f"{len(call.values)} observable values for {len(call.outputs)} results")
        for kind, tensors in (("operand", call.inputs), ("result", call.outputs)):
            for number, tensor in enumerate(tensors):
                self.tensor(f"{kind} {number}", tensor, kind == "result")

    def tensor(self, what: str, tensor: HostTensor, written: bool) -> None:
        if tensor.ref is not None:
            self.place(what, tensor.ref, tensor.dtype, prod(tensor.shape), written)
