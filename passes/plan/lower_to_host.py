"""Turn the main function, whose arena is planned, into the host program."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass

from vcc.dialects import host
from vcc.dialects.graph import ConcatOp, HostOp, ints, tensor_of
from vcc.dialects.origin import VALUES, node_names, value_names
from vcc.dialects.visa import LaunchOp
from vcc.dialects.weights import ConstantOp
from vcc.passes.plan.liveness import Liveness, analyse
from vcc.passes.plan.main_body import MainBody, StepOp, argument_names, read_main, result_names
from vcc.passes.plan.plan_arena import ARENA_BYTES, LOWER_BOUND, OFFSETS
from vcc.runtime.diagnostics import error


@dataclass(frozen=True)
class LowerToHostPass(ModulePass):
    """Replace `func.func @main` by `host.program`: places first, then a launch or call for every step.

    The steps that make the function's results write them straight into the outputs.
    """

    name = "lower-to-host"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        body = read_main(op)
        function, module_block = body.function, op.body.block
        arena_bytes, bound = (_planned(function, name) for name in (ARENA_BYTES, LOWER_BOUND))
        program = host.ProgramOp(arena_bytes, bound, _Lowering(body).lower())
        module_block.insert_op_before(program, function)
        function.detach()
        function.erase()


def _planned(function: FuncOp, name: str) -> int:
    if not isinstance(value := function.attributes.get(name), IntegerAttr):
        raise error("E0107", f"main has no {name}", help="run plan-arena before lower-to-host")
    return value.value.data


class _Lowering:
    """The operations of the program as they are made, and the buffer of each value of the main function."""

    def __init__(self, body: MainBody):
        self.body = body
        self.live: Liveness = analyse(body)
        self.places: list[Operation] = []
        self.steps: list[Operation] = []
        self.buffers: dict[SSAValue, SSAValue] = {}
        self.outputs: list[SSAValue] = []

    def lower(self) -> list[Operation]:
        """All operations of the program in order."""
        function = self.body.function
        for name, argument in zip(argument_names(function), function.body.block.args, strict=True):
            self.buffers[argument] = self._place(host.InputOp(name, tensor_of(argument)))
        for name, type in zip(result_names(function), function.function_type.outputs, strict=True):
            assert isinstance(type, TensorType)
            self.outputs.append(self._place(host.OutputOp(name, type)))
        for op in function.body.block.ops:
            if isinstance(op, ConstantOp):
                self._constant(op)
        for op in self.body.steps:
            self._results(op)
        for op in self.body.steps:
            self._step(op)
        return [*self.places, *self.steps]

    def _place(self, op: host.Place | host.ViewOp) -> SSAValue:
        self.places.append(op)
        return op.buffer

    def _view(self, buffer: SSAValue, type: TensorType[Attribute], offset: int = 0) -> SSAValue:
        """The bytes of a buffer from `offset` on as a tensor of `type`; no operation where the buffer is just that."""
        same = host.buffer_type(buffer).tensor == type and not offset
        return buffer if same else self._place(host.ViewOp(buffer, type, offset))

    def _buffer(self, value: SSAValue) -> SSAValue:
        """The buffer of an operand; an alias gets its view when a step first reads it."""
        if value not in self.buffers:
            root, offset = self.body.container(value)
            self.buffers[value] = self._view(self.buffers[root], tensor_of(value), offset)
        return self.buffers[value]

    def _constant(self, op: ConstantOp) -> None:
        constant = host.ConstantOp(op.value, tensor_of(op.result))
        constant.location = op.location
        if VALUES in op.attributes:
            constant.attributes[VALUES] = op.attributes[VALUES]
        self.buffers[op.result] = self._place(constant)

    def _results(self, op: StepOp) -> None:
        """Give the results of a step their places: in the arena, or in an output."""
        offsets = op.attributes.get(OFFSETS)
        if not isinstance(offsets, DenseArrayBase) or len(offsets) != len(op.results):
            names = ", ".join(node_names(op))
            raise error("E0107", f"a step has no {OFFSETS}", node=names, op=op.name, help="run plan-arena first")
        for result, offset in zip(op.results, offsets.get_values(), strict=True):
            index = self.body.index[result]
            container, inner = self.body.container(result)
            if container not in self.buffers:
                self.buffers[container] = self._owned(op, index, container, int(offset) - inner)
            if result is not container:
                self.buffers[result] = self._view(self.buffers[container], tensor_of(result), inner)

    def _owned(self, step: StepOp, index: int, value: SSAValue, offset: int) -> SSAValue:
        """The place of a step's result `index`, or of the concatenation in which it lies: an output, or the arena."""
        type = tensor_of(value)
        if (output := self.live.output[index]) is not None:
            return self._view(self.outputs[output], type)
        name, op = self.body.tensors[index].name, step
        rows = [index]
        if isinstance(value.owner, ConcatOp):
            op = value.owner
            name = next(iter(value_names(value)), name)
            rows = self.body.sources(value)
        first, last = min(self.live.first[i] for i in rows), max(self.live.last[i] for i in rows)
        place = host.ArenaOp(name, offset, first, last, type)
        place.location = op.location
        return self._place(place)

    def _step(self, op: StepOp) -> None:
        inputs = [self._buffer(operand) for operand in op.operands]
        outputs = [self.buffers[result] for result in op.results]
        if isinstance(op, LaunchOp):
            step = host.LaunchOp(op.kernel, inputs, outputs, op.sources, op.taps, op.remarks)
        else:
            step = _call(op, inputs, outputs)
        step.location = op.location
        self.steps.append(step)


def _call(op: HostOp, inputs: list[SSAValue], outputs: list[SSAValue]) -> host.CallOp:
    return host.CallOp(
        op.op_type.data,
        op.domain.data,
        op.version.value.data,
        inputs,
        outputs,
        attributes=op.onnx_attributes.data,
        input_positions=ints(op.inputs),
        output_positions=ints(op.outputs),
        reason=op.reason.data,
        sources=node_names(op),
        taps=[next(iter(value_names(result)), "") for result in op.results],
    )
