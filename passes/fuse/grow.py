"""Grow kernels: an anchor with the elementwise operations after it, or a chain of elementwise operations alone.

Row operations and concatenations also take what makes their operands; a value that later kernels need, too, is a
further result.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.func import ReturnOp
from xdsl.ir import Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.base import shape_of, tensor_of
from vcc.dialects.host import tensor_bytes
from vcc.passes.fuse.choose_layouts import ELEMENTWISE
from vcc.passes.fuse.concatenations import joined_by, may_alias, outermost, pieces
from vcc.passes.fuse.dequantised import dequantising_tail
from vcc.passes.fuse.groups import LONGEST, Forming, Group, escaping, same_blocks
from vcc.passes.fuse.views import ROWS, stored_views
from vcc.runtime.diagnostics import plural
from vcc.runtime.isa.kernel import Pipe
from vcc.runtime.machine.cost import transfer_cycles
from vcc.runtime.machine.model import Machine

#: The kinds of kernels whose stores can permute the axes of their result.
STORE_TRANSPOSED = frozenset(
    {"attention", "conv", "depthwise", "elementwise", "layer_norm", "matmul", "pool", "reduce", "rms_norm", "softmax"}
)
#: The kinds of kernels that can have several results, and how many.
MANY_RESULTS = frozenset({"conv", "depthwise", "elementwise", "matmul", "pool", "reduce"})
MOST_RESULTS = 3
#: Kernels that nothing is fused with: they store parts of their result as they get them.
ALONE = frozenset({"cumsum", "recurrence", "scatter", "topk"})


class Growth:
    """Grows the kernels of a block from their anchors."""

    def __init__(self, forming: Forming, machine: Machine | None = None):
        self.forming, self.machine = forming, machine
        self.ops = list(forming.position)

    def grow(self, anchor: Operation, kind: str) -> Group:
        """The anchor and as many elementwise operations after it as leave one result."""
        forming = self.forming
        forming.taken.add(anchor)
        if kind in ALONE:
            return Group(kind, [anchor], "")
        group, stop = self._followers(anchor, kind)
        whole = len(group)
        while len(group) > 1 and not self._may_leave(group, kind):
            group.pop()
        if len(group) < whole and not stop:
            stop = "a value in between is used elsewhere"
        if tail := dequantising_tail(group):
            group, stop = group[:-tail], "the row operation after it dequantises its bytes"
        fused = "fused nothing"
        if len(group) > 1:
            fused = f"fused {plural(len(group) - 1, 'elementwise operation')}, which saves {self._saved(group)}"
        if (leaving := len(escaping(group))) > 1:
            fused = f"{fused}; has {leaving} results"
        if kind in ROWS and (before := self._before(anchor)):
            group = [*before, *group]
            fused = f"fused {plural(len(before), 'elementwise operation')} before it; {fused}"
        if kind in STORE_TRANSPOSED and (views := stored_views(group[-1])):
            group += views
            fused, stop = f"{fused}; stores the result transposed", ""
        forming.taken.update(group)
        return Group(kind, group, fused + (f"; stopped: {stop}" if stop else ""))

    def _saved(self, group: Sequence[Operation]) -> str:
        """What it saves that the operations of a group are one kernel.

        The bytes are what they would move as kernels each, the cycles those of one more kernel for what follows the
        anchor: its launch, and the anchor's result on its way to global memory and back.
        """
        sizes = [tensor_bytes(tensor_of(op.results[0])) for op in group]
        saved = f"{2 * sum(sizes[:-1])} bytes of traffic"
        if self.machine is None:
            return saved
        part = -(-sizes[0] // self.machine.cores)
        moves = sum(int(transfer_cycles(self.machine, pipe, part)) for pipe in (Pipe.OUT, Pipe.IN))
        return f"{saved} and {self.machine.launch + moves:,} cycles"

    def _followers(self, anchor: Operation, kind: str) -> tuple[list[Operation], str]:
        """The anchor and all elementwise operations that could follow it in its kernel; why one of them could not."""
        forming, shape = self.forming, shape_of(anchor.results[0])
        group, inside, tainted = [anchor], set(anchor.results), set[SSAValue]()
        waiting = sum(1 for _ in anchor.results[0].uses)
        stop = ""
        for op in self.ops[forming.position[anchor] + 1 :]:
            if waiting == 0 or len(group) >= LONGEST:
                break
            uses = sum(1 for operand in op.operands if operand in inside)
            waiting -= uses
            is_tainted = any(operand in tainted for operand in op.operands)
            if not uses and not is_tainted:
                continue
            fits = forming.joins(op, shape) and (kind == "elementwise" or same_blocks(op, anchor))
            if not uses or is_tainted or not fits:
                tainted.update(op.results)
                stop = stop or self._reason(op, shape)
                continue
            if kind == "elementwise":
                feeders = forming.feeders(op, shape, inside)
                if len(group) + len(feeders) < LONGEST:
                    group += feeders
                    inside.update(result for feeder in feeders for result in feeder.results)
            group.append(op)
            inside.update(op.results)
            waiting += sum(1 for result in op.results for _ in result.uses)
        return group, stop

    def _may_leave(self, group: Sequence[Operation], kind: str) -> bool:
        """Whether a kernel can have all results of a group that are used outside, where the last one stands."""
        *others, last = escaping(group) or [group[0]]
        if last is not group[-1] or not others:
            return last is group[-1]
        encodings = {tensor_of(op.results[0]).encoding for op in (*others, last)}
        return (
            kind in MANY_RESULTS
            and len(others) < MOST_RESULTS
            and len(encodings) == 1
            and self.forming.after(others, set(group), self.forming.position[last])
        )

    def _before(self, anchor: Operation) -> list[Operation]:
        """The elementwise operations that only make the operand of a row operation."""
        value, forming = anchor.operands[0], self.forming
        owner = value.owner
        if not isinstance(owner, Operation) or owner.parent is not forming.block or not value.has_one_use():
            return []
        if not forming.joins(owner, shape_of(value)):
            return []
        found = [*forming.feeders(owner, shape_of(value), ()), owner]
        return found if len(found) < LONGEST and all(same_blocks(op, owner) for op in found) else []

    def is_inner(self, op: Operation) -> bool:
        """Whether an operation is a concatenation in another one, which so has room for its pieces."""
        return joined_by(op) is not None and pieces(outermost(op)) <= LONGEST

    def gather_pieces(self, anchor: graph.ConcatOp) -> Group:
        """A concatenation with those in it, and with the elementwise operations that make its pieces."""
        found: list[Operation] = []
        forming, alone = self.forming, may_alias(anchor)

        def collect(op: Operation) -> None:
            for value in dict.fromkeys(op.operands):
                owner = value.owner
                if not isinstance(owner, Operation) or not value.has_one_use():
                    continue
                if isinstance(owner, graph.ConcatOp) and self.is_inner(owner):
                    collect(owner)
                    found.append(owner)
                elif not alone and forming.joins(owner, shape_of(value)) and same_blocks(owner, anchor):
                    feeders = [f for f in forming.feeders(owner, shape_of(value), ()) if same_blocks(f, anchor)]
                    found.extend([*feeders, owner])

        collect(anchor)
        if len(found) >= LONGEST:
            found = [op for op in found if isinstance(op, graph.ConcatOp)]
        group = [*sorted(found, key=forming.position.__getitem__), anchor]
        forming.taken.update(group)
        inner = sum(isinstance(op, graph.ConcatOp) for op in found)
        made = len(found) - inner
        if alone:
            return Group("concat", group, "left its pieces to kernels that may store them in place")
        joined = f"joined {plural(inner, 'concatenation')} and fused {plural(made, 'elementwise operation')}"
        return Group("concat", group, joined)

    def _reason(self, op: Operation, shape: tuple[int, ...]) -> str:
        if isinstance(op, ReturnOp):
            return "it is a result of the model"
        if not isinstance(op, ELEMENTWISE):
            return f"{op.name} is not elementwise"
        if op in self.forming.taken:
            return f"{op.name} is in another kernel"
        if shape_of(op.results[0]) != shape:
            return f"{op.name} has another shape"
        return f"{op.name} needs a value that is computed from this one elsewhere"
