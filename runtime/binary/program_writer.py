"""Encode everything of an image but its kernels: host program, constants, memory plan, symbols, remarks, values."""

from __future__ import annotations

from collections.abc import Sequence

from vcc.runtime.binary.format import SPACES, align
from vcc.runtime.binary.image import Constant, Image, LiveRange, Value
from vcc.runtime.binary.words import WordWriter
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.dtypes import dtype_of
from vcc.runtime.isa.host import HostCall, HostTensor, Launch, Ref, Step, TensorSpec

LAUNCH, HOST_CALL = 1, 2
INTEGER, PLACE, OMITTED = 0, 1, 2


def constant_offsets(constants: Sequence[Constant]) -> list[int]:
    """Where each constant begins in the constants section, and at last where the section ends."""
    offsets = [0]
    for constant in constants:
        offsets.append(align(offsets[-1]) + constant.data.nbytes)
    return [align(end) for end in offsets[:-1]] + offsets[-1:]


class ProgramWriter:
    """Writes sections of one image; each method returns its section's words."""

    def __init__(self, image: Image, strings: dict[str, int]):
        self.image, self.strings = image, strings
        self.kernels = {kernel.name: number for number, kernel in reversed(list(enumerate(image.kernels)))}
        self.out = WordWriter(strings)

    def host(self) -> WordWriter:
        self.out = out = WordWriter(self.strings)
        program = self.image.host
        out.many(program.inputs, self.spec)
        out.many(program.outputs, self.spec)
        out.i64(program.arena_bytes)
        out.many(program.steps, self.step)
        return out

    def spec(self, spec: TensorSpec) -> None:
        self.out.text(spec.name)
        self.out.dtype(spec.dtype)
        self.out.many(spec.shape, self.out.i64)

    def step(self, step: Step) -> None:
        if isinstance(step, Launch):
            self.launch(step)
        else:
            self.host_call(step)

    def launch(self, launch: Launch) -> None:
        out = self.out
        if launch.kernel not in self.kernels:
            raise error("E0302", f"a launch names kernel {launch.kernel}, which is not there")
        out.u32(LAUNCH)
        out.u32(self.kernels[launch.kernel])
        out.many(launch.args, self.argument)
        out.many(launch.sources, lambda nodes: out.many(nodes, out.u32))
        out.many(launch.taps, out.i64)

    def argument(self, arg: Ref | int) -> None:
        if isinstance(arg, Ref):
            self.out.u32(PLACE)
            self.ref(arg)
        else:
            self.out.u32(INTEGER)
            self.out.i64(arg)

    def ref(self, ref: Ref) -> None:
        self.out.code(SPACES, ref.space)
        self.out.u32(ref.index)
        self.out.i64(ref.offset)

    def host_call(self, call: HostCall) -> None:
        out = self.out
        out.u32(HOST_CALL)
        out.text(call.domain)
        out.text(call.op_type)
        out.i64(call.version)
        out.blob(call.node)
        out.many(call.inputs, self.tensor)
        out.many(call.outputs, self.tensor)
        out.many(call.sources, out.u32)
        out.many(call.values, out.i64)
        out.text(call.reason)

    def tensor(self, tensor: HostTensor) -> None:
        self.out.u32(OMITTED if tensor.ref is None else PLACE)
        if tensor.ref is not None:
            self.ref(tensor.ref)
        self.out.dtype(tensor.dtype)
        self.out.many(tensor.shape, self.out.i64)

    def constants(self) -> WordWriter:
        out = WordWriter(self.strings)
        out.u32(len(self.image.constants))
        for constant, offset in zip(self.image.constants, constant_offsets(self.image.constants), strict=False):
            out.text(constant.name)
            out.text(constant.note)
            try:
                out.dtype(dtype_of(constant.data.dtype))
            except KeyError as problem:
                raise error("E0302", f"constant {constant.name}: no dtype of the machine is {problem}") from problem
            out.i64(offset)
            out.i64(constant.data.size)
        return out

    def plan(self) -> WordWriter:
        out = WordWriter(self.strings)

        def row(live: LiveRange) -> None:
            out.text(live.name)
            out.i64(live.offset)
            out.i64(live.size)
            out.u32(live.first)
            out.u32(live.last)

        out.i64(self.image.lower_bound)
        out.many(self.image.plan, row)
        return out

    def symbols(self) -> WordWriter:
        out = WordWriter(self.strings)
        out.many(self.image.nodes, out.text)
        return out

    def remarks(self) -> WordWriter:
        out = WordWriter(self.strings)

        def remark(entry: tuple[int, str]) -> None:
            out.i64(entry[0])
            out.text(entry[1])

        out.many(self.image.remarks, remark)
        return out

    def values(self) -> WordWriter:
        out = WordWriter(self.strings)

        def value(entry: Value) -> None:
            out.text(entry.name)
            out.i64(entry.node)
            out.dtype(entry.dtype)
            out.many(entry.shape, out.i64)
            out.i64(entry.axis)
            out.i64(entry.block)

        out.many(self.image.values, value)
        return out
