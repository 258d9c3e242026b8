"""Windows that slide over spatial axes, and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import IntegerAttr, TensorType, i1
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def, traits_def
from xdsl.traits import Pure

from vcc.dialects.graph.attributes import PoolFn, PoolFnAttr
from vcc.dialects.graph.base import (
    AnyTensor,
    GraphOp,
    I64Array,
    Tensor,
    Value,
    i64s,
    ints,
    is_float,
    is_int,
    require,
    shape_text,
    tensor_of,
)


@dataclass(frozen=True)
class Window:
    """How a window of `kernel` positions slides over the spatial axes.

    All tuples have one number per spatial axis but `pads`, which has the begins and then the ends. `overhang` is how
    far the last window may reach past the padded end (ONNX's ceil_mode); those positions are never counted.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    overhang: tuple[int, ...] = ()

    @property
    def extents(self) -> tuple[int, ...]:
        """The positions a window spans on each axis, dilation included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    def pads_of(self, axis: int) -> tuple[int, int]:
        """Padding at the begin and at the end of a spatial axis, the overhang not included."""
        return self.pads[axis], self.pads[axis + len(self.kernel)]

    def overhang_of(self, axis: int) -> int:
        """How far the last window may reach past the padded end of a spatial axis."""
        return self.overhang[axis] if self.overhang else 0

    def output(self, name: str, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """The number of windows on each axis; raises `VerifyException`, naming the operation, if one does not fit."""
        rank = len(spatial)
        for what, values, count in (
            ("kernel", self.kernel, rank),
            ("strides", self.strides, rank),
            ("dilations", self.dilations, rank),
            ("pads", self.pads, 2 * rank),
        ):
            require(len(values) == count, f"{name}: {what} has {len(values)} numbers, {rank} axes need {count}")
            least = 0 if what == "pads" else 1
            require(all(v >= least for v in values), f"{name}: {what} {list(values)} must all be at least {least}")
        require(len(self.overhang) in (0, rank), f"{name}: overhang has {len(self.overhang)} numbers for {rank} axes")
        sizes: list[int] = []
        for axis, size in enumerate(spatial):
            room = size + sum(self.pads_of(axis)) + self.overhang_of(axis) - self.extents[axis]
            require(
                room >= 0,
                f"{name}: a window of {self.extents[axis]} does not fit the padded axis {axis} of size {size}",
            )
            sizes.append(room // self.strides[axis] + 1)
        return tuple(sizes)


def window_of(
    kernel: Sequence[int],
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    overhang: Sequence[int] = (),
) -> Window:
    """A window whose absent parts have ONNX's defaults: strides and dilations one, pads zero."""
    rank = len(kernel)
    return Window(
        tuple(kernel),
        tuple(strides) if strides is not None else (1,) * rank,
        tuple(pads) if pads is not None else (0,) * (2 * rank),
        tuple(dilations) if dilations is not None else (1,) * rank,
        tuple(overhang),
    )


def pool_type(fn: PoolFn, x: Tensor, window: Window) -> Tensor:
    """[N, C, spatial...] -> [N, C, windows...] of the same dtype; averages take floats."""
    shape, element = x.get_shape(), x.element_type
    require(3 <= len(shape) <= 5, f"pool: input {shape_text(shape)} needs one to three spatial axes")
    require(is_float(element) or (is_int(element) and fn is not PoolFn.AVERAGE), f"pool: {fn} does not take {element}")
    return TensorType(element, (*shape[:2], *window.output("pool", shape[2:])))


@irdl_op_definition
class PoolOp(GraphOp):
    """`graph.pool max %x`: combines the elements of each window over the spatial axes of [N, C, spatial...].

    Padding never takes part in max and add. An average divides by the number of positions inside the input, or, with
    `count_include_pad`, inside the padded input; the `overhang` counts in neither case.
    """

    name = "graph.pool"
    fn = prop_def(PoolFnAttr)
    x = operand_def(AnyTensor)
    kernel = prop_def(I64Array)
    strides = prop_def(I64Array)
    pads = prop_def(I64Array)
    dilations = prop_def(I64Array)
    overhang = prop_def(I64Array)
    count_include_pad = prop_def(IntegerAttr.constr(type=i1))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$fn $x attr-dict `:` functional-type(operands, results)"

    def __init__(self, fn: PoolFn | str, x: Value, window: Window, *, count_include_pad: bool = False):
        fn = PoolFn(fn)
        super().__init__(
            operands=[x],
            properties={
                "fn": PoolFnAttr(fn),
                "kernel": i64s(window.kernel),
                "strides": i64s(window.strides),
                "pads": i64s(window.pads),
                "dilations": i64s(window.dilations),
                "overhang": i64s(window.overhang or (0,) * len(window.kernel)),
                "count_include_pad": IntegerAttr.from_bool(count_include_pad),
            },
            result_types=[pool_type(fn, tensor_of(x), window)],
        )

    @property
    def window(self) -> Window:
        """The kernel's size, strides, pads, dilations and overhang."""
        return Window(*map(ints, (self.kernel, self.strides, self.pads, self.dilations, self.overhang)))

    def inferred_type(self) -> Tensor:
        return pool_type(self.fn.data, tensor_of(self.x), self.window)
