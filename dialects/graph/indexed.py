"""Operations that reach elements through index tensors: gather and scatter, of whole slices or single elements.

Indices are `i32` or `i64`; a negative one counts from the end. An index outside -size..size-1 is a fault when it runs.
Of equal indices in a scatter the last wins, unless its reduction combines all with what was there.
"""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerAttr, TensorType, i32, i64
from xdsl.irdl import irdl_op_definition, operand_def, opt_prop_def, prop_def, result_def, traits_def
from xdsl.traits import Pure

from vcc.dialects.graph.attributes import ReduceFn, ReduceFnAttr
from vcc.dialects.graph.base import (
    AnyTensor,
    GraphOp,
    Tensor,
    Value,
    is_float,
    is_int,
    require,
    same_dtype,
    shape_text,
    tensor_of,
)


def _check(name: str, x: Tensor, indices: Tensor, axis: int) -> None:
    shape = x.get_shape()
    require(indices.element_type in (i32, i64), f"{name}: indices are of {indices.element_type}, not of i32 or i64")
    require(0 <= axis < len(shape), f"{name}: axis {axis} is out of range for {shape_text(shape)}")
    empty = shape[axis] == 0 and 0 not in indices.get_shape()
    require(not empty, f"{name}: axis {axis} of {shape_text(shape)} has no element to index")


def gather_type(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """The axes of the indices stand in the place of the axis."""
    _check("gather", x, indices, axis)
    shape = x.get_shape()
    return TensorType(x.element_type, [*shape[:axis], *indices.get_shape(), *shape[axis + 1 :]])


def _check_elements(name: str, x: Tensor, indices: Tensor, axis: int) -> None:
    """The indices have the rank of x, and along the other axes at most its sizes."""
    _check(name, x, indices, axis)
    shape, wanted = x.get_shape(), indices.get_shape()
    inside = len(wanted) == len(shape) and all(
        i == axis or size <= own for i, (size, own) in enumerate(zip(wanted, shape, strict=True))
    )
    require(inside, f"{name}: indices are {shape_text(wanted)}, which reaches over {shape_text(shape)}; axis is {axis}")


def gather_elements_type(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """The shape of the indices."""
    _check_elements("gather_elements", x, indices, axis)
    return TensorType(x.element_type, indices.get_shape())


def _check_reduction(name: str, x: Tensor, reduction: ReduceFn | None) -> None:
    element = x.element_type
    numbers = reduction is None or is_float(element) or is_int(element)
    require(numbers, f"{name}: combines numbers, not {element}")


def _attribute(reduction: ReduceFn | str | None) -> ReduceFnAttr | None:
    return None if reduction is None else ReduceFnAttr(ReduceFn(reduction))


def _function(attribute: ReduceFnAttr | None) -> ReduceFn | None:
    return None if attribute is None else attribute.data


def scatter_type(x: Tensor, indices: Tensor, updates: Tensor, axis: int, reduction: ReduceFn | None) -> Tensor:
    """`indices` has rank 1; `updates` the operand's shape, but for the axis as many slices as there are indices."""
    _check("scatter", x, indices, axis)
    _check_reduction("scatter", x, reduction)
    same_dtype("scatter", [x, updates])
    shape, count = x.get_shape(), indices.get_shape()
    require(len(count) == 1, f"scatter: indices are {shape_text(count)}; they must have rank 1")
    wanted = (*shape[:axis], *count, *shape[axis + 1 :])
    require(
        updates.get_shape() == wanted,
        f"scatter: updates are {shape_text(updates.get_shape())}, {shape_text(wanted)} follows from the indices",
    )
    return TensorType(x.element_type, shape)


def scatter_elements_type(x: Tensor, indices: Tensor, updates: Tensor, axis: int, reduction: ReduceFn | None) -> Tensor:
    """Updates have the shape of the indices, the result that of the operand."""
    _check_elements("scatter_elements", x, indices, axis)
    _check_reduction("scatter_elements", x, reduction)
    same_dtype("scatter_elements", [x, updates])
    require(
        updates.get_shape() == indices.get_shape(),
        f"scatter_elements: updates are {shape_text(updates.get_shape())}, "
        f"indices are {shape_text(indices.get_shape())}",
    )
    return TensorType(x.element_type, x.get_shape())


@irdl_op_definition
class GatherOp(GraphOp):
    """`graph.gather %x, %indices {axis}`: the slices of x that the indices name along the axis, as numpy's `take`."""

    name = "graph.gather"
    x = operand_def(AnyTensor)
    indices = operand_def(AnyTensor)
    axis = prop_def(IntegerAttr.constr(type=i64))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x `,` $indices attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, indices: Value, axis: int):
        super().__init__(
            operands=[x, indices],
            properties={"axis": IntegerAttr(axis, i64)},
            result_types=[gather_type(tensor_of(x), tensor_of(indices), axis)],
        )

    def inferred_type(self) -> Tensor:
        return gather_type(tensor_of(self.x), tensor_of(self.indices), self.axis.value.data)


@irdl_op_definition
class GatherElementsOp(GraphOp):
    """`graph.gather_elements %x, %indices {axis}`: result[i, j] = x[indices[i, j], j] for axis 0, and so on."""

    name = "graph.gather_elements"
    x = operand_def(AnyTensor)
    indices = operand_def(AnyTensor)
    axis = prop_def(IntegerAttr.constr(type=i64))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x `,` $indices attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, indices: Value, axis: int):
        super().__init__(
            operands=[x, indices],
            properties={"axis": IntegerAttr(axis, i64)},
            result_types=[gather_elements_type(tensor_of(x), tensor_of(indices), axis)],
        )

    def inferred_type(self) -> Tensor:
        return gather_elements_type(tensor_of(self.x), tensor_of(self.indices), self.axis.value.data)


@irdl_op_definition
class ScatterOp(GraphOp):
    """`graph.scatter %x, %indices, %updates {axis, reduction}`: x, but updates for slices, or combined with them."""

    name = "graph.scatter"
    x = operand_def(AnyTensor)
    indices = operand_def(AnyTensor)
    updates = operand_def(AnyTensor)
    axis = prop_def(IntegerAttr.constr(type=i64))
    reduction = opt_prop_def(ReduceFnAttr)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x `,` $indices `,` $updates attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, indices: Value, updates: Value, axis: int, reduction: ReduceFn | str | None = None):
        super().__init__(
            operands=[x, indices, updates],
            properties={"axis": IntegerAttr(axis, i64), "reduction": _attribute(reduction)},
            result_types=[
                scatter_type(
                    tensor_of(x), tensor_of(indices), tensor_of(updates), axis, _function(_attribute(reduction))
                )
            ],
        )

    def inferred_type(self) -> Tensor:
        types = tensor_of(self.x), tensor_of(self.indices), tensor_of(self.updates)
        return scatter_type(*types, self.axis.value.data, _function(self.reduction))


@irdl_op_definition
class ScatterElementsOp(GraphOp):
    """`graph.scatter_elements %x, %i, %updates {axis, reduction}`: y[i[a, b], b] = updates[a, b] for axis 0."""

    name = "graph.scatter_elements"
    x = operand_def(AnyTensor)
    indices = operand_def(AnyTensor)
    updates = operand_def(AnyTensor)
    axis = prop_def(IntegerAttr.constr(type=i64))
    reduction = opt_prop_def(ReduceFnAttr)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x `,` $indices `,` $updates attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, indices: Value, updates: Value, axis: int, reduction: ReduceFn | str | None = None):
        super().__init__(
            operands=[x, indices, updates],
            properties={"axis": IntegerAttr(axis, i64), "reduction": _attribute(reduction)},
            result_types=[
                scatter_elements_type(
                    tensor_of(x), tensor_of(indices), tensor_of(updates), axis, _function(_attribute(reduction))
                )
            ],
        )

    def inferred_type(self) -> Tensor:
        types = tensor_of(self.x), tensor_of(self.indices), tensor_of(self.updates)
        return scatter_elements_type(*types, self.axis.value.data, _function(self.reduction))
