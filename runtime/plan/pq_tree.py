"""PQ-trees: all orders of some items in which given sets of them stand side by side.

After Booth and Lueker, "Testing for the consecutive ones property, interval graphs, and graph planarity using PQ-tree
algorithms" (1976); here with trees that never change, so that a search can go back to an earlier one, and without the
linear-time bookkeeping. The children of a P node stand in any order, those of a Q node in theirs or the reverse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple


class Tree(NamedTuple):
    """A leaf (no children) or a P or Q node; `mask` has the bit of each item below it."""

    mask: int
    children: tuple[Tree, ...] = ()
    ordered: bool = False


def leaf(item: int) -> Tree:
    """The tree of one item."""
    return Tree(1 << item)


def any_order(trees: Sequence[Tree]) -> Tree:
    """All orders of one or more trees."""
    if len(trees) == 1:
        return trees[0]
    mask = 0
    for tree in trees:
        mask |= tree.mask
    return Tree(mask, tuple(trees))


def in_order(trees: Sequence[Tree]) -> Tree:
    """One or more trees in this order or the reverse."""
    return any_order(trees)._replace(ordered=len(trees) > 2)


def items(mask: int) -> list[int]:
    """The numbers of the bits of a mask, ascending."""
    found: list[int] = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def exchanged(tree: Tree, group: int, other: Tree | None) -> Tree | None:
    """The orders in which the items of `group` (a mask, not empty) stand side by side, with `other` in their place.

    Without `other` they stay. None if there is no such order.
    """
    mask, children, ordered = tree
    if not mask & ~group:
        return other or tree
    touched = [i for i, child in enumerate(children) if child.mask & group]
    if len(touched) == 1:
        (at,) = touched
        inner = exchanged(children[at], group, other)
        if inner is None:
            return None
        mask = mask & ~children[at].mask | inner.mask
        return Tree(mask, (*children[:at], inner, *children[at + 1 :]), ordered)
    low, high = touched[0], touched[-1]
    partial = [i for i in touched if children[i].mask & ~group]
    whole = [children[i] for i in touched if i not in partial]
    if len(partial) > 2 or (ordered and (high - low >= len(touched) or any(low < i < high for i in partial))):
        return None
    left = _split(children[partial[0]], group) if partial and (not ordered or partial[0] == low) else ([], [])
    right = _split(children[partial[-1]], group) if len(partial) > (left != ([], [])) else ([], [])
    if left is None or right is None:
        return None
    inside = whole if ordered or not whole else [any_order(whole)]
    middle = [other] if other else [*left[1], *inside, *reversed(right[1])]
    run = [*left[0], *middle, *reversed(right[0])]
    if ordered:
        return in_order([*children[:low], *run, *children[high + 1 :]])
    return any_order([*(child for child in children if not child.mask & group), in_order(run)])


def _split(tree: Tree, group: int) -> tuple[list[Tree], list[Tree]] | None:
    """The parts of a tree outside a group, then those inside, as the tree lets them follow; None if it does not."""
    _, children, ordered = tree
    kinds = [0 if not child.mask & group else 1 if child.mask & ~group else 2 for child in children]
    if kinds.count(1) > 1:
        return None
    if ordered and kinds != sorted(kinds):
        children, kinds = children[::-1], kinds[::-1]
        if kinds != sorted(kinds):
            return None
    without, within = ([child for child, each in zip(children, kinds, strict=True) if each == kind] for kind in (0, 2))
    if not ordered:
        without, within = ([any_order(part)] if part else [] for part in (without, within))
    if 1 in kinds:
        inner = _split(children[kinds.index(1)], group)
        if inner is None:
            return None
        without, within = without + inner[0], inner[1] + within
    return without, within


def common(tree: Tree, other: Tree) -> Tree | None:
    """The orders of the same items that both trees allow; None if there are none."""
    found: Tree | None = tree
    for group in _side_by_side(other):
        found = exchanged(found, group, None)
        if found is None:
            return None
    return found


def only(tree: Tree, mask: int) -> Tree | None:
    """The orders of those items of a tree that are in `mask`; None if there are none."""
    if not tree.mask & ~mask:
        return tree
    if not tree.mask & mask:
        return None
    left = [part for child in tree.children if (part := only(child, mask)) is not None]
    return in_order(left) if tree.ordered else any_order(left)


def _side_by_side(tree: Tree) -> Iterator[int]:
    """The sets of items that stand side by side in all orders of a tree; these have no others."""
    for child in tree.children:
        yield from _side_by_side(child)
    if tree.ordered:
        for one, other in pairwise(tree.children):
            yield one.mask | other.mask
    elif tree.children:
        yield tree.mask


def arrangement(tree: Tree, places: Mapping[int, int]) -> list[int]:
    """An order of all items that agrees with `places`, by item; items of one place stand side by side.

    There must be such an order.
    """
    return _arranged(tree, places)[0]


def _arranged(tree: Tree, places: Mapping[int, int]) -> tuple[list[int], int, int]:
    """Items in order, and the first and the last place."""
    if not tree.children:
        item = tree.mask.bit_length() - 1
        return [item], places[item], places[item]
    parts = [_arranged(child, places) for child in tree.children]
    middles = [low + high for _, low, high in parts]
    if not tree.ordered:
        parts.sort(key=lambda part: part[1] + part[2])
    elif middles[0] > middles[-1]:
        parts.reverse()
    return [item for part in parts for item in part[0]], parts[0][1], parts[-1][2]
