"""Index arithmetic that the schedule phase adds to kernels."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.traits import is_side_effect_free

from vcc.dialects.visa import ForallOp
from vcc.runtime.isa.expr import ZERO, Poly


def enclosing_loops(block: Block) -> list[Operation]:
    """The loops around a block, outermost first: a forall or scf.for operations.

    Those around a forall are left out: cores meet at its end, so no pipe runs ahead from one of their iterations to the
    next.
    """
    loops: list[Operation] = []
    op = block.parent_op()
    while op is not None:
        if isinstance(op, ForallOp | scf.ForOp):
            loops.append(op)
        if isinstance(op, ForallOp):
            break
        op = op.parent_op()
    return loops[::-1]


def trip_count(loop: scf.ForOp) -> int | None:
    """How often a loop runs, where its bounds are constants."""
    low, high, step = (_constant(value) for value in (loop.lb, loop.ub, loop.step))
    if low is None or high is None or not step:
        return None
    return max(0, -(-(high - low) // step))


def _constant(value: SSAValue) -> int | None:
    op = value.owner
    if isinstance(op, arith.ConstantOp) and isinstance(op.value, IntegerAttr):
        return op.value.value.data
    return None


def iteration_number(block: Block) -> tuple[Poly, list[BlockArgument]]:
    """A count of the iterations in which a block runs, as a Poly over the numbered loop variables.

    Consecutive iterations get consecutive numbers wherever trip counts are constant, so that slots alternate even
    across the iterations of outer loops.
    """
    number, variables = ZERO, list[BlockArgument]()
    for loop in enclosing_loops(block):
        if isinstance(loop, ForallOp):
            trips: Sequence[int | None] = loop.sizes.get_values()
            arguments: Sequence[BlockArgument] = loop.body.block.args
        else:
            assert isinstance(loop, scf.ForOp)
            trips, arguments = [trip_count(loop)], [loop.body.block.args[0]]
        for count, argument in zip(trips, arguments, strict=True):
            outer = number * count if count is not None else ZERO
            number = outer + str(len(variables))
            variables.append(argument)
    return number, variables


def counts_all(block: Block) -> bool:
    """Whether `iteration_number` grows by one from each run of a block on a core to the next."""
    loops = enclosing_loops(block)
    parent = block.parent_op()
    for loop in reversed(loops):
        if parent is not loop:
            return False  # something else decides whether the loop's body runs
        if isinstance(loop, scf.ForOp):
            known = loop is loops[0] or trip_count(loop) is not None
            if not known or _constant(loop.lb) != 0 or _constant(loop.step) != 1:
                return False
        parent = loop.parent_op()
    return True


def materialise(number: Poly, variables: Sequence[SSAValue], block: Block, before: Operation | None) -> SSAValue:
    """Operations that compute a Poly over numbered values, put before an operation (or at the end of the block)."""

    def add(op: Operation) -> SSAValue:
        if before is None:
            block.add_op(op)
        else:
            block.insert_op_before(op, before)
        return op.results[0]

    total: SSAValue | None = None
    for monomial, coefficient in number.terms:
        value: SSAValue | None = None
        if coefficient != 1 or not monomial:
            value = add(arith.ConstantOp(IntegerAttr(coefficient, IndexType())))
        for name in monomial:
            register = variables[int(name)]
            value = register if value is None else add(arith.MuliOp(value, register))
        assert value is not None
        total = value if total is None else add(arith.AddiOp(total, value))
    return total if total is not None else add(arith.ConstantOp(IntegerAttr(0, IndexType())))


def expression(value: SSAValue, names: dict[SSAValue, str]) -> Poly:
    """What a value is in terms of others that are no sums, products or constants; `names` numbers those."""
    constant = _constant(value)
    if constant is not None:
        return Poly.of(constant)
    op = value.owner
    if isinstance(op, arith.AddiOp):
        return expression(op.lhs, names) + expression(op.rhs, names)
    if isinstance(op, arith.MuliOp):
        return expression(op.lhs, names) * expression(op.rhs, names)
    return Poly.of(names.setdefault(value, str(len(names))))


def erase_unused(values: Sequence[SSAValue]) -> None:
    """Erase the arithmetic that made values which nothing uses any more."""
    pending = list(values)
    while pending:
        op = pending.pop().owner
        if not isinstance(op, Operation) or op.parent is None or any(result.first_use for result in op.results):
            continue
        if is_side_effect_free(op):
            pending += op.operands
            op.detach()
            op.erase()
