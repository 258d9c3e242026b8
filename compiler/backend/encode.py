"""The last phase: the host program and the kernels as an image, with the names that lead back to the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from onnx import NodeProto
from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, IntegerType, ModuleOp, TensorType
from xdsl.ir import Attribute, SSAValue

from vcc.compiler.backend.kernels import to_kernel
from vcc.dialects import host
from vcc.dialects.onnx.attributes import attribute_to_proto
from vcc.dialects.visa import KernelOp
from vcc.dialects.visa.types import isa_dtype
from vcc.dialects.weights import attribute_array
from vcc.runtime.binary.image import Constant, Image, LiveRange, Value
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.host import HostCall, HostProgram, HostTensor, Launch, Ref, Space, TensorSpec
from vcc.runtime.isa.verifier import verify_image
from vcc.runtime.machine.model import Machine


def encode(module: ModuleOp, ctx: Context, machine: Machine) -> Image:
    """The image of a module after the plan phase; it has passed the static verifier.

    Raises `VccError` E0107 if the module is not one host program with its kernels, E0302 if a rule is broken.
    """
    programs = [op for op in module.ops if isinstance(op, host.ProgramOp)]
    if len(programs) != 1:
        raise error("E0107", f"a module to encode needs one host.program, this one has {len(programs)}")
    image = _Encoder(module, programs[0], ctx, machine).image()
    verify_image(image)
    return image


class _Table:
    """Numbers for names, in the order in which they are first seen."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers))

    def all(self, names: Iterable[str]) -> tuple[int, ...]:
        return tuple(self.number(name) for name in names)


class _Encoder:
    def __init__(self, module: ModuleOp, program: host.ProgramOp, ctx: Context, machine: Machine):
        self.program, self.ctx, self.machine = program, ctx, machine
        self.kernels = {op.sym_name.data: op for op in module.ops if isinstance(op, KernelOp)}
        self.nodes = _Table()
        self.values: dict[str, Value] = {}
        self.places: dict[host.Place, Ref] = {}
        self.remarks: list[tuple[int, str]] = []

    def image(self) -> Image:
        program = self.program
        for space, ops in (
            (Space.INPUT, program.inputs),
            (Space.OUTPUT, program.outputs),
            (Space.CONST, program.constants),
        ):
            for i, op in enumerate(ops):
                self.places[op] = Ref(space, i)
        for row in program.live_ranges:
            self.places[row] = Ref(Space.ARENA, 0, row.offset)
        steps = tuple(
            self.launch(step) if isinstance(step, host.LaunchOp) else self.call(step) for step in program.steps
        )
        constants = tuple(
            Constant(f"c{i}", attribute_array(op.value, self.ctx).reshape(-1)) for i, op in enumerate(program.constants)
        )
        plan = tuple(
            LiveRange(row.onnx_name.data, row.offset, row.size, row.first, row.last) for row in program.live_ranges
        )
        return Image(
            kernels=tuple(to_kernel(op) for op in self.kernels.values()),
            host=HostProgram(
                tuple(_spec(op.onnx_name.data, op.results[0]) for op in program.inputs),
                tuple(_spec(op.onnx_name.data, op.results[0]) for op in program.outputs),
                steps,
                program.arena_bytes,
            ),
            constants=constants,
            nodes=tuple(self.nodes.numbers),
            values=tuple(self.values.values()),
            plan=plan,
            lower_bound=program.lower_bound,
            machine=self.machine.text,
            remarks=tuple(self.remarks),
        )

    def ref(self, buffer: SSAValue) -> Ref:
        """Where a buffer lies."""
        place, offset = host.located(buffer)
        ref = self.places[place]
        return replace(ref, offset=ref.offset + offset) if offset else ref

    def launch(self, op: host.LaunchOp) -> Launch:
        kernel = self.kernels[op.kernel.string_value()]
        sources = tuple(self.nodes.all(name.data for name in names) for names in op.sources)
        node = sources[0][0] if sources and sources[0] else -1
        taps = tuple(self.value(name.data, type, node) for name, type in zip(op.taps, kernel.tap_types, strict=True))
        args = tuple(self.ref(buffer) for buffer in (*op.inputs, *op.outputs))
        self.remarks += [(node, remark.data) for remark in op.remarks or ()]
        return Launch(kernel.sym_name.data, args, sources, taps)

    def value(self, name: str, type: Attribute, node: int) -> int:
        """The number of an observable value; -1 for one without a name."""
        if not name:
            return -1
        assert isinstance(type, TensorType)
        if name not in self.values:
            self.values[name] = Value(name, node, isa_dtype(type.element_type), type.get_shape())
        return list(self.values).index(name)

    def call(self, op: host.CallOp) -> HostCall:
        node = NodeProto(op_type=op.op_type.data, domain=op.domain.data)
        node.attribute.extend(
            attribute_to_proto(name, value, self.ctx) for name, value in op.onnx_attributes.data.items()
        )
        sources = self.nodes.all(name.data for name in op.sources)
        inputs = self.tensors(op.input_positions, op.inputs)
        outputs = self.tensors(op.output_positions, op.outputs)
        present = iter(op.taps)
        names = ["" if tensor.ref is None else next(present).data for tensor in outputs]
        values = tuple(
            self.value_of(name, tensor, sources[0] if sources else -1)
            for name, tensor in zip(names, outputs, strict=True)
        )
        return HostCall(
            domain=op.domain.data,
            op_type=op.op_type.data,
            version=op.version.value.data,
            node=node.SerializeToString(deterministic=True),
            inputs=inputs,
            outputs=outputs,
            sources=sources,
            values=values,
            reason=op.reason.data,
        )

    def value_of(self, name: str, tensor: HostTensor, node: int) -> int:
        """The number of a host call's observable result."""
        if not name:
            return -1
        if name not in self.values:
            self.values[name] = Value(name, node, tensor.dtype, tensor.shape)
        return list(self.values).index(name)

    def tensors(self, positions: DenseArrayBase[IntegerType], buffers: Sequence[SSAValue]) -> tuple[HostTensor, ...]:
        """A call's operands in ONNX order, absent ones without a place."""
        found: list[HostTensor] = []
        for position in positions.get_values():
            if position == -1:
                found.append(HostTensor(None, isa_dtype(_any_type(buffers)), ()))
                continue
            buffer = buffers[int(position)]
            spec = _spec("", buffer)
            found.append(HostTensor(self.ref(buffer), spec.dtype, spec.shape))
        return tuple(found)


def _any_type(buffers: Sequence[SSAValue]) -> Attribute:
    return host.buffer_type(buffers[0]).tensor.element_type


def _spec(name: str, buffer: SSAValue) -> TensorSpec:
    type = host.buffer_type(buffer).tensor
    return TensorSpec(name, isa_dtype(type.element_type), type.get_shape())
