"""What becomes of a product's sums while they are in registers: the `drain` that follows it, over the same elements,
and what follows that (tail.py).

Both walk the accumulators, but not always by the same dimensions: a product may have all columns as one dimension
where the drain stores blocks of 16 channels, or panels of 64 where the drain has 1000 columns. `fuse` cuts the
dimensions of both until they agree. Where the last panel reaches beyond the drain's columns, the drain's size becomes
a limit, and lanes beyond it are not stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Instr, Role, View
from vcc.runtime.isa.table import OPS
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.iteration import recut
from vcc.runtime.native.tail import Tail


@dataclass(frozen=True)
class Limit:
    """Only elements count whose index, `sum(index[dim] * weight)` over the product's `weights`, is below `size`."""

    size: Poly
    weights: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Fused:
    """A product, and its drain and what follows that, cut alike: `order` gives for each dimension of the product that
    of the others."""

    product: Instr
    tail: Tail
    order: dict[int, int]
    limit: Limit | None = None

    def turns_last(self, lane: int) -> bool:
        """Whether all but the last store can be done in vectors along a dimension: nothing else is read across it."""
        at, views = self.order[lane], list(self.tail.memory())
        stored = [v for v, written in views if written]
        near = all(v.strides[at] in (ZERO, ONE) for v, written in views if not written)
        return near and stored == [self.tail.last]

    def lanes(self) -> list[int]:
        """The product's dimensions along which vectors are read and written after it."""
        views = list(self.tail.memory())
        strides = {i: [(written, v.strides[j]) for v, written in views] for i, j in self.order.items()}
        return [i for i, found in strides.items() if all(s == ONE or (s == ZERO and not w) for w, s in found)]


def view(instr: Instr, role: str) -> View:
    """An operand that is a view for certain."""
    found = instr.operands[role]
    assert isinstance(found, View)
    return found


def free_dims(product: Instr) -> list[int]:
    """The dimensions of a product that its result has."""
    return [i for i, dim in enumerate(product.domain) if dim.role is not Role.K and dim.size != ONE]


def fuse(product: Instr, tail: Tail) -> Fused | None:
    """The two cut alike, if the drain takes just the product's sums and each from where it lies."""
    drain = tail.drain
    sums, src = view(product, "dst"), view(drain, "src")
    if (sums.buffer, sums.base, sums.slot) != (src.buffer, src.base, src.slot):
        return None
    order, limit = dict[int, int](), None
    # Inner dimensions first: what is left of one that is cut is its outer part, where the next one is looked for.
    todo = sorted(free_dims(product), key=lambda i: sums.strides[i].constant or 0)
    while todo:
        i = todo[0]
        stride, size = view(product, "dst").strides[i], product.domain[i].size
        left = [j for j, dim in enumerate(drain.domain) if dim.size != ONE and j not in order.values()]
        alike = [j for j in left if view(drain, "src").strides[j] == stride]
        if not alike:
            return None
        j = next((j for j in alike if drain.domain[j].size == size), alike[0])
        mine, theirs = size.constant, drain.domain[j].size.constant
        if drain.domain[j].size == size:
            order[i] = j
            todo.remove(i)
        elif mine and theirs and mine % theirs == 0:
            product = cut(product, i, theirs)
            order, todo = {_moved(p, i): d for p, d in order.items()}, [_moved(p, i) for p in todo]
            todo.append(i)
        elif mine and theirs and theirs % mine == 0:
            tail = tail.each(lambda instr, j=j, inner=mine: cut(instr, j, inner))
            drain, order = tail.drain, {p: _moved(d, j) for p, d in order.items()}
        elif mine and limit is None:
            limited = _limit(product, tail, i, j)
            if limited is None:
                return None
            tail, limit = limited
            drain = tail.drain
            order = {p: _moved(d, j) for p, d in order.items()}
        else:
            return None
    if any(dim.size != ONE for j, dim in enumerate(drain.domain) if j not in order.values()):
        return None
    return Fused(product, tail, order, limit)


def cut(instr: Instr, at: int, inner: int) -> Instr:
    """The instruction with dimension `at`, of constant size, as two: so many blocks of `inner`."""
    dim = instr.domain[at]
    outer = (dim.size.constant or 0) // inner
    pair = [replace(dim, size=Poly.of(outer), max=outer), replace(dim, size=Poly.of(inner), max=inner)]
    return recut(instr, [pair if i == at else [d] for i, d in enumerate(instr.domain)])


def _moved(dim: int, at: int) -> int:
    """The number of a dimension after dimension `at` was cut in two, of which the second is meant if it is that."""
    return dim + (dim >= at)


def _limit(product: Instr, tail: Tail, i: int, j: int) -> tuple[Tail, Limit] | None:
    """The tail over whole panels, of which only what it had counts: its dimension `j` becomes panels and columns.

    The product's dimension `i` is the columns of a panel, another one the panels, unless there is only one.
    """
    size, drain = product.domain[i].size, tail.drain
    pitch = view(product, "dst").strides[i] * size
    panels = [p for p in free_dims(product) if view(product, "dst").strides[p] == pitch]
    count = product.domain[panels[0]].size if panels else ONE
    columns, most = size.constant or 0, count.constant
    if most is None or drain.domain[j].max > most * columns or drain.domain[j].valid is not None:
        return None
    whole = replace(drain.domain[j], size=Poly.of(most * columns), max=most * columns)
    domain = (*drain.domain[:j], whole, *drain.domain[j + 1 :])
    weights = ((i, 1), *((p, columns) for p in panels[:1]))
    wider = tail.each(lambda instr: cut(replace(instr, domain=domain, tap=None), j, columns))
    return wider, Limit(drain.domain[j].size, weights)


class Result:
    """Where sums go: into the accumulators, or through the drain. `lane` is the product's dimension along vectors."""

    def __init__(self, frame: Frame, product: Instr, fused: Fused | None, lane: int | None):
        self.f, self.fused, self.dst, self.lane = frame, fused, view(product, "dst"), lane

    def put(self, at: dict[int, Val], width: int, value: str, mask: str) -> None:
        """Appends what becomes of a vector of sums at this place of the product's domain, where `mask` is true."""
        if self.fused is None:
            self.f.write(self.dst, at, width, value, mask)
        else:
            self.run(self.fused, at, width, value, mask)

    def store(self, fused: Fused, at: dict[int, Val], width: int, value: str, mask: str) -> None:
        """Stores a vector of what `run` made last."""
        place = {fused.order[i]: index for i, index in at.items() if i in fused.order}
        self.f.write(fused.tail.last, place, width, value, mask)

    def run(self, fused: Fused, at: dict[int, Val], width: int, value: str, mask: str, *, stores: bool = True) -> str:
        """Appends the drain and what follows it; gives what the last of them makes."""
        tail, order = fused.tail, fused.order
        place = {order[i]: index for i, index in at.items() if i in order}
        lane = order[self.lane] if self.lane is not None else None
        values = {view(tail.drain, "src"): value}
        for instr in (tail.drain, *tail.instrs):
            inputs = dict[str, str]()
            for role, operand in instr.operands.items():
                if not isinstance(operand, View):
                    inputs[role] = self.f.operand(instr, operand, width)
                elif role == OPS[instr.op].indexed:
                    inputs[role] = self.f.pointer(operand, {})
                elif role != "dst":
                    if operand not in values:
                        values[operand] = self.f.read(operand, place, lane, width, mask)
                    inputs[role] = values[operand]
            dst = view(instr, "dst")
            values[dst] = self.f.compute(instr, inputs, width, mask)
            if stores and dst.buffer not in tail.dead:
                self.f.write(dst, place, width, values[dst], mask)
        return values[tail.last]
