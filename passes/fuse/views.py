"""Which views become part of the loads and stores of the kernels around them.

A load takes as many views as one access can express: transposes, slices, broadcasts, padding and reshapes between
them. A store can take transposes, with reshapes between them that keep axes apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.ir import Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.attributes import Blocked
from vcc.dialects.graph.base import shape_of, tensor_of
from vcc.passes.fuse.choose_layouts import ELEMENTWISE, is_depthwise
from vcc.passes.tile.access import Access, splits_of
from vcc.passes.tile.lowering import stored_access, view_through

VIEWS = (graph.TransposeOp, graph.RelayoutOp, graph.ExpandOp, graph.SliceOp, graph.PadOp)
#: What a chain of views is made of. A reshape costs nothing where it stands, so no chain needs to begin with one.
MOVES = (*VIEWS, graph.ReshapeOp)
ROWS = ("reduce", "softmax", "layer_norm", "rms_norm")
WINDOWS = ("conv", "depthwise", "pool")
PRODUCTS = ("matmul", "attention")


def anchor_kind(op: Operation) -> str | None:
    """The kernel family of an anchor; None for any other operation."""
    match op:
        case graph.ConvOp():
            return "depthwise" if is_depthwise(op) else "conv"
        case graph.MatmulOp():
            return "matmul"
        case graph.AttentionOp():
            return "attention"
        case graph.PoolOp():
            return "pool"
        case graph.ReduceOp():
            return "reduce"
        case graph.SoftmaxOp():
            return "softmax"
        case graph.LayerNormOp():
            return "layer_norm"
        case graph.RmsNormOp():
            return "rms_norm"
        case graph.ConcatOp():
            return "concat"
        case graph.GatherOp() | graph.GatherElementsOp():
            return "gather"
        case graph.ScatterOp() | graph.ScatterElementsOp():
            return "scatter"
        case graph.ArgOp():
            return "arg"
        case graph.TopKOp():
            return "topk"
        case graph.CumSumOp():
            return "cumsum"
        case graph.RecurrenceOp():
            return "recurrence"
        case _:
            return None


def view_chain(user: Operation, value: SSAValue, splits: dict[int, int] | None = None) -> list[Operation]:
    """The views, last to first, through which a user can read a value: as many as one access can express.

    `splits` are the blocks in which the user's kernel walks axes of its result; None if it can walk none in blocks of
    a reshape's making.
    """
    chain: list[Operation] = []
    start = value
    while isinstance(view := value.owner, MOVES) and _takes(user, start, view):
        longer = [*chain, view]
        if not _fits(user, start, longer, splits):
            break
        chain, value = longer, view.operands[0]
    while chain and isinstance(chain[-1], graph.ReshapeOp):
        chain.pop()
    return chain


def chain_access(chain: Sequence[Operation]) -> Access | None:
    """Where the elements of a chain's last view lie in the operand of its first; None if no access can tell."""
    access: Access | None = Access.of(tensor_of(chain[-1].operands[0]))
    for view in reversed(chain):
        access = None if access is None else view_through(view, access)
    return access


def chain_splits(user: Operation, value: SSAValue, access: Access) -> dict[int, int]:
    """The blocks in which reading a value asks an elementwise user to walk axes of its result: 1 for whole axes,
    as those with borders."""
    missing = len(shape_of(user.results[0])) - len(shape_of(value))
    whole = {axis: 1 for axis, interval in enumerate(access.valid) if interval is not None}
    return {axis + missing: block for axis, block in (whole | splits_of([access])).items()}


def _takes(user: Operation, value: SSAValue, view: Operation) -> bool:
    """Whether a user's loads can do a view's kind of work."""
    if isinstance(user, (*ELEMENTWISE, *VIEWS)):
        return True
    kind = anchor_kind(user)
    if kind in PRODUCTS:
        return isinstance(view, graph.RelayoutOp | graph.TransposeOp | graph.ExpandOp | graph.SliceOp | graph.ReshapeOp)
    if kind == "concat":
        return True
    if user.operands[0] is not value:
        return False
    if kind in ROWS:
        return True
    if isinstance(view, graph.PadOp):
        return kind in ("conv", "depthwise") and _is_border_of_zeros(view)
    if kind in WINDOWS:
        return not isinstance(view, graph.ExpandOp)
    return kind not in (None, "scatter") and isinstance(view, graph.TransposeOp | graph.RelayoutOp)


def _fits(user: Operation, value: SSAValue, chain: Sequence[Operation], splits: dict[int, int] | None) -> bool:
    """Whether one access expresses a chain, and the user's kernel can walk it."""
    access = chain_access(chain)
    if access is None or (isinstance(user, VIEWS) and view_through(user, access) is None):
        return False
    kind = anchor_kind(user)
    if isinstance(tensor_of(chain[-1].operands[0]).encoding, Blocked):
        return len(chain) == 1 and (kind in ROWS or (kind is None and splits is not None))
    if kind in WINDOWS and any(interval is not None for interval in access.valid[:2]):
        return False
    if kind == "concat" and isinstance(tensor_of(user.results[0]).encoding, Blocked):
        return False
    if _cuts_border(user, value, access, splits or {}):
        return False
    if all(len(terms) == 1 for terms in access.terms):
        return True
    if kind in ROWS:
        return not isinstance(tensor_of(user.results[0]).encoding, Blocked)
    if kind is not None or splits is None:
        return False
    wanted = chain_splits(user, value, access)
    return all(splits.get(axis, block) == block for axis, block in wanted.items())


def _cuts_border(user: Operation, value: SSAValue, access: Access, splits: dict[int, int]) -> bool:
    """Whether an axis with a border would be walked in blocks, since something else lies so."""
    missing = len(shape_of(user.results[0])) - len(shape_of(value)) if isinstance(user, ELEMENTWISE) else 0
    encodings = [tensor_of(each).encoding for each in (*user.operands, *user.results)]
    blocks = {axis for axis, block in splits.items() if block > 1}
    blocks.update(encoding.axis for encoding in encodings if isinstance(encoding, Blocked))
    return any(interval is not None and axis + missing in blocks for axis, interval in enumerate(access.valid))


def _is_border_of_zeros(pad: graph.PadOp) -> bool:
    return pad.value.value.data == 0


def stored_views(op: Operation) -> list[Operation]:
    """The views after an operation that its kernel's store can do: up to the last transpose that saves a kernel.

    A transpose saves one if not all that reads it could read through it.
    """
    chain, best = list[Operation](), list[Operation]()
    value = op.results[0]
    while len(uses := list(value.uses)) == 1:
        view = uses[0].operation
        if not isinstance(view, graph.TransposeOp | graph.ReshapeOp):
            break
        chain.append(view)
        value = view.results[0]
        access = stored_access(chain)
        if isinstance(tensor_of(value).encoding, Blocked) or access is None:
            break
        if any(len(terms) > 1 for terms in access.terms):
            continue
        if isinstance(view, graph.TransposeOp) and not _reads_anyway(view):
            best = list(chain)
    return best


def _reads_anyway(view: Operation) -> bool:
    """Whether all users of a view, and of reshapes of it, can read through it."""
    pending, found = [view.results[0]], True
    while pending and found:
        value = pending.pop()
        for use in value.uses:
            user = use.operation
            if isinstance(user, graph.ReshapeOp):
                pending.append(user.result)
            elif isinstance(user, VIEWS):
                found = found and _joins_view(user, view)
            elif isinstance(user, graph.ConcatOp) and lies_in_one_piece(user):
                found = False  # stored so, it may lie where the concatenation needs it
            else:
                found = found and view in view_chain(user, value, {})
    return found


def lies_in_one_piece(op: graph.ConcatOp) -> bool:
    """Whether the operands of a concatenation lie in it one behind the other."""
    shape = shape_of(op.results[0])
    return prod(shape[: op.axis.value.data % len(shape)]) == 1


def _joins_view(user: Operation, view: Operation) -> bool:
    """Whether one access can tell a view, a later one that reads it, and the reshapes between."""
    chain = [user]
    while chain[-1] is not view:
        owner = chain[-1].operands[0].owner
        assert isinstance(owner, Operation)
        chain.append(owner)
    return chain_access(chain) is not None
