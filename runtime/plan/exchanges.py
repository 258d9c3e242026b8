"""What may take whose place when the memory is full: groups of ending buffers, and beginning ones of as many bytes.

Where no byte is free, whatever ends at a step leaves holes that whatever begins then fills. So the ending and the
beginning buffers can be divided into groups of equal sums, each of which stands in one stretch of memory. Sums that are
equal by chance are rarer, the larger they are and the fewer ways there are to choose so many buffers: the logarithm of
how many such groups one would expect by chance says how little a group is to be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from math import comb, log
from typing import NamedTuple

import numpy as np

from vcc.runtime.plan.pq_tree import Tree, exchanged, items

#: More sets of buffers than these are not listed, nor are more groups kept; the surest are.
_MOST_SETS = 2000
_MOST_GROUPS = 1000
#: So many pairs of sets of one sum are looked at; where buffers have few sizes, there are very many.
_MOST_PAIRS = 20_000
#: All subsets of so many buffers are looked at; of more, those of up to three, as far as there are not too many.
ALL_SUBSETS = 18
_MOST_SUBSETS = 20_000
#: All subsets of so many children of a node that may stand in any order are; of more, those of up to three.
_WIDE = 8


class Group(NamedTuple):
    """Buffers that end and those that begin in their place, as masks; the lower `chance`, the surer."""

    chance: float
    ending: int
    beginning: int


def mask_of(numbers: Sequence[int]) -> int:
    """The mask with the bit of each number."""
    return sum(1 << i for i in numbers)


def groups(
    tree: Tree, ending: Sequence[int], beginning: Sequence[int], sizes: Sequence[int], after: Tree | None = None
) -> list[Group]:
    """Groups of equal sums, the surest first, whose `ending` buffers can stand side by side in `tree`.

    The group of all is not among them; others may be missing where there are very many. `after` gives the orders that
    are possible once the `beginning` buffers are there.
    """
    all_ending = mask_of(ending)
    sets = set(_stretches(tree, all_ending))
    if len(sets) > _MOST_SETS or _is_wide(tree, all_ending):
        sets.update(_sets_of_sums(tree, ending, beginning, sizes))
    sets.discard(all_ending)
    ways: dict[int, int] = {}
    by_sum: dict[int, list[int]] = {}
    for each in sets:
        members = items(each)
        ways[len(members)] = ways.get(len(members), 0) + 1
        by_sum.setdefault(sum(sizes[i] for i in members), []).append(each)
    if after is None:
        into = _subsets(beginning, sizes, list(by_sum))
    else:
        stretches = _stretches(after, mask_of(beginning))
        into = [(total, each) for each in stretches if (total := sum(sizes[i] for i in items(each))) in by_sum]
    pairs = ((total, out, begun) for total, begun in into for out in by_sum[total])
    found: list[Group] = []
    for total, out, begun in islice(pairs, _MOST_PAIRS):
        chosen = log(comb(len(beginning), begun.bit_count())) - log(total)
        found.append(Group(chosen + log(ways[out.bit_count()]), out, begun))
    return sorted(found)[:_MOST_GROUPS]


def _subsets(numbers: Sequence[int], sizes: Sequence[int], sums: Sequence[int]) -> list[tuple[int, int]]:
    """Sets of `numbers` (sum, mask) whose sizes add up to one of `sums`, the smallest if there are too many."""
    if len(numbers) > ALL_SUBSETS:
        wanted = set(sums)
        return [
            (total, mask_of(chosen))
            for count in (1, 2, 3)
            if comb(len(numbers), count) <= _MOST_SUBSETS
            for chosen in combinations(numbers, count)
            if (total := sum(sizes[i] for i in chosen)) in wanted
        ]
    totals, counts = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for i in numbers:
        totals = np.concatenate((totals, totals + sizes[i]))
        counts = np.concatenate((counts, counts + 1))
    hits = np.isin(totals, np.array(sorted(sums), np.int64)).nonzero()[0]
    if len(hits) > _MOST_GROUPS:
        hits = hits[np.argsort(counts[hits], kind="stable")][:_MOST_GROUPS]
    return [(int(totals[hit]), mask_of([numbers[i] for i in items(hit)])) for hit in hits.tolist() if hit]


def _sets_of_sums(tree: Tree, ending: Sequence[int], beginning: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """Sets of ending buffers that have the sum of some beginning ones and can stand side by side."""
    if max(len(ending), len(beginning)) > ALL_SUBSETS:
        return []
    totals = {0}
    for i in beginning:
        totals |= {total + sizes[i] for total in totals}
    return [each for _, each in _subsets(ending, sizes, sorted(totals)) if exchanged(tree, each, None) is not None]


def _is_wide(tree: Tree, group: int) -> bool:
    """Whether `_stretches` leaves out sets for want of order in the tree."""
    if not tree.mask & group:
        return False
    whole = sum(not child.mask & ~group for child in tree.children)
    return (not tree.ordered and whole > _WIDE) or any(_is_wide(child, group) for child in tree.children)


def _stretches(tree: Tree, group: int) -> list[int]:
    """Sets of the items of `group` that can stand side by side; not all of them if there are too many.

    A few that cannot are among them: `exchanged` tells.
    """
    found: dict[int, None] = {}

    def visit(node: Tree) -> None:
        if not node.mask & group or len(found) > _MOST_SETS:
            return
        if not node.mask & ~group:
            found[node.mask] = None
        for child in node.children:
            visit(child)
        if node.children:
            found.update(dict.fromkeys(islice(_across(node, group), _MOST_SETS)))

    visit(tree)
    return list(found)


def _across(node: Tree, group: int) -> Iterator[int]:
    """Such sets with items below several children of a node."""
    masks, ends = [child.mask for child in node.children], [_ends(child, group) for child in node.children]
    whole = [not mask & ~group for mask in masks]
    if node.ordered:
        for low, mask in enumerate(masks):
            starts = ends[low] + ([mask] if whole[low] else [])
            between = 0
            for high in range(low + 1, len(masks)) if starts else ():
                stops = ends[high] + ([masks[high]] if whole[high] else [])
                yield from (start | between | stop for start in starts for stop in stops)
                if not whole[high]:
                    break
                between |= masks[high]
        return
    for middle in _unions([mask for mask, each in zip(masks, whole, strict=True) if each]):
        yield from (middle,) if middle else ()
        outer = [each for mask, each in zip(masks, ends, strict=True) if each and not middle & mask]
        for at, starts in enumerate(outer):
            yield from (middle | start for start in starts)
            yield from (middle | start | stop for stops in outer[:at] for start in starts for stop in stops)


def _ends(tree: Tree, group: int) -> list[int]:
    """Sets of items of `group`, not all of the tree's, that can stand at an end of the tree."""
    if not tree.children or not tree.mask & group:
        return []
    found: dict[int, None] = {}
    if tree.ordered:
        for children in (tree.children, tree.children[::-1]):
            before = 0
            for child in children:
                found.update((before | end, None) for end in _ends(child, group))
                if child.mask & ~group:
                    break
                before |= child.mask
                found[before] = None
    else:
        unions = _unions([child.mask for child in tree.children if not child.mask & ~group])
        found.update(dict.fromkeys(unions))
        for child in tree.children:
            for end in _ends(child, group) if len(found) <= _MOST_SETS else ():
                found.update((end | union, None) for union in unions if not union & child.mask)
    return [each for each in found if each not in (0, tree.mask)]


def _unions(masks: Sequence[int]) -> list[int]:
    """All unions of some of the masks, of none too; of many masks those of up to three, and of all."""
    if len(masks) <= _WIDE:
        found = [0]
        for mask in masks:
            found += [each | mask for each in found]
        return found
    few = (sum(chosen) for count in (1, 2, 3) for chosen in combinations(masks, count))
    return [0, *islice(few, _MOST_SETS), sum(masks)]
