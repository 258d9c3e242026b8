"""The host program, and the checks that need all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.ir import Block, Operation, Region
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    prop_def,
    region_def,
    traits_def,
)
from xdsl.traits import IsolatedFromAbove, NoTerminator
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.host.places import ArenaOp, ConstantOp, InputOp, OutputOp, Place, ViewOp, place_of
from vcc.dialects.host.steps import LaunchOp, StepOp
from vcc.dialects.host.types import buffer_type
from vcc.dialects.visa import KernelOp
from vcc.dialects.visa.types import GlobalType
from vcc.dialects.weights import numpy_dtype_of
from vcc.runtime.plan.arena import PlanError, check_plan

_OpT = TypeVar("_OpT", bound=Operation)


@irdl_op_definition
class ProgramOp(IRDLOperation):
    """`host.program arena 8192 bound 8000 { ... }`: what the controlling CPU does for one run of the model.

    `arena_bytes` of global memory are needed; `lower_bound` is the largest sum of live bytes at any step. Inputs and
    outputs of the graph are the `host.input` and `host.output` in order, the steps the launches and calls in order.
    """

    name = "host.program"
    arena_attr = prop_def(IntegerAttr.constr(type=i64), prop_name="arena_bytes")
    bound_attr = prop_def(IntegerAttr.constr(type=i64), prop_name="lower_bound")
    body = region_def("single_block")
    traits = traits_def(NoTerminator(), IsolatedFromAbove())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "`arena` $arena_bytes `bound` $lower_bound attr-dict-with-keyword $body"

    def __init__(self, arena_bytes: int, lower_bound: int, ops: Sequence[Operation]):
        super().__init__(
            properties={"arena_bytes": IntegerAttr(arena_bytes, i64), "lower_bound": IntegerAttr(lower_bound, i64)},
            regions=[Region(Block(ops))],
        )

    @property
    def arena_bytes(self) -> int:
        """Bytes of global memory that the arena takes."""
        return self.arena_attr.value.data

    @property
    def lower_bound(self) -> int:
        """The largest sum of live bytes at any step."""
        return self.bound_attr.value.data

    @property
    def inputs(self) -> list[InputOp]:
        """The graph's inputs in order."""
        return self._all(InputOp)

    @property
    def outputs(self) -> list[OutputOp]:
        """The graph's outputs in order."""
        return self._all(OutputOp)

    @property
    def constants(self) -> list[ConstantOp]:
        """The constants in order."""
        return self._all(ConstantOp)

    @property
    def live_ranges(self) -> list[ArenaOp]:
        """The rows of the memory plan: name, offset, size, first and last step of every value in the arena."""
        return self._all(ArenaOp)

    @property
    def steps(self) -> list[StepOp]:
        """Launches and calls in the order in which they run."""
        return [op for op in self.body.block.ops if isinstance(op, StepOp)]

    def _all(self, kind: type[_OpT]) -> list[_OpT]:
        return [op for op in self.body.block.ops if isinstance(op, kind)]

    def verify_(self) -> None:
        for op in self.body.block.ops:
            if not isinstance(op, Place | ViewOp | StepOp):
                raise VerifyException(f"program: {op.name} is not an operation of a host program")
        _check_names("input", [op.onnx_name.data for op in self.inputs])
        _check_names("output", [op.onnx_name.data for op in self.outputs])
        _check_arena(self)
        _check_steps(self.steps)
        module = self.parent_op()
        if isinstance(module, ModuleOp):
            kernels = {op.sym_name.data: op for op in module.ops if isinstance(op, KernelOp)}
            for op in self.steps:
                if isinstance(op, LaunchOp):
                    _check_launch(op, kernels)


def _check_names(what: str, names: list[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise VerifyException(f"program: two {what}s are called '{name}'")


def _check_arena(program: ProgramOp) -> None:
    rows, steps = program.live_ranges, len(program.steps)
    if program.lower_bound > program.arena_bytes:
        raise VerifyException(
            f"program: an arena of {program.arena_bytes} bytes is below the bound of {program.lower_bound}"
        )
    for row in rows:
        if row.last >= steps:
            raise VerifyException(f"arena: '{row.onnx_name.data}' lives to step {row.last} of {steps} steps")
        if row.offset + row.size > program.arena_bytes:
            end = row.offset + row.size
            raise VerifyException(f"arena: '{row.onnx_name.data}' ends at {end} of {program.arena_bytes} bytes")
    try:
        check_plan(
            [row.offset for row in rows],
            [row.size for row in rows],
            [row.first for row in rows],
            [row.last for row in rows],
            program.arena_bytes,
        )
    except PlanError as problem:
        names = ", ".join(f"{i} is '{row.onnx_name.data}'" for i, row in enumerate(rows))
        raise VerifyException(f"arena: {problem} ({names})") from problem


def _check_steps(steps: Sequence[StepOp]) -> None:
    """Every step reads what is written and alive, and writes where it may."""
    written: set[Operation] = set()
    for index, step in enumerate(steps):
        places = [place_of(buffer) for buffer in step.outputs]
        for buffer in step.inputs:
            place = place_of(buffer)
            if isinstance(place, OutputOp | ArenaOp) and place not in written:
                raise VerifyException(f"{_at(index, step)} reads {_describe(place)} before a step has written it")
            if isinstance(place, ArenaOp) and index > place.last and not _replaces(place, index, places):
                raise VerifyException(f"{_at(index, step)} reads {_describe(place)}, which lives to step {place.last}")
        for place in places:
            if not isinstance(place, OutputOp | ArenaOp):
                raise VerifyException(f"{_at(index, step)} writes {_describe(place)}, which is read only")
            if isinstance(place, ArenaOp) and not place.first <= index <= place.last:
                life = f"lives from step {place.first} to {place.last}"
                raise VerifyException(f"{_at(index, step)} writes {_describe(place)}, which {life}")
        written.update(places)


def _replaces(place: ArenaOp, index: int, outputs: Sequence[Place]) -> bool:
    """Whether step `index` writes one of its outputs over the bytes of its operand `place`."""
    return index == place.last + 1 and any(
        isinstance(output, ArenaOp) and (output.offset, output.size) == (place.offset, place.size) for output in outputs
    )


def _at(index: int, step: StepOp) -> str:
    return f"program: step {index} ({step.label})"


def _describe(place: Place) -> str:
    kind = place.name.partition(".")[2]
    return f"{kind} '{place.onnx_name.data}'" if not isinstance(place, ConstantOp) else "a constant"


def _check_launch(launch: LaunchOp, kernels: dict[str, KernelOp]) -> None:
    name = launch.kernel.string_value()
    if (kernel := kernels.get(name)) is None:
        raise VerifyException(f"launch: there is no kernel @{name}")
    parameters, buffers = kernel.body.block.args, [*launch.inputs, *launch.outputs]
    for what, count, expected in (
        ("buffers", len(buffers), len(parameters)),
        ("sources", len(launch.sources), kernel.num_sources.value.data),
        ("taps", len(launch.taps), len(kernel.tap_types)),
    ):
        if count != expected:
            raise VerifyException(f"launch: @{name} takes {expected} {what}, {count} are given")
    for index, (parameter, buffer) in enumerate(zip(parameters, buffers, strict=True)):
        wanted, given = parameter.type, buffer_type(buffer)
        assert isinstance(wanted, GlobalType)
        if wanted.dtype.numpy != numpy_dtype_of(given.tensor.element_type) or wanted.extent > given.elements:
            raise VerifyException(f"launch: parameter {index} of @{name} is {wanted}, the buffer holds {given.tensor}")
        if (wanted.mode == "in") != (index < len(launch.inputs)):
            direction = "an input" if index < len(launch.inputs) else "an output"
            raise VerifyException(f"launch: parameter {index} of @{name} is {wanted} but {direction} of the launch")
