"""Hard memory planning problems: buffers cut out of a full memory, so that a plan at the capacity exists."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

#: Sizes are multiples of this many bytes.
GRAIN = 64

#: Rows of (begin, end) in bytes and (first, past the last) in steps.
Boxes = NDArray[np.int64]
_Box = tuple[int, int, int, int]


def guillotine(count: int, capacity: int, steps: int, seed: int) -> Boxes:
    """`capacity` x `steps` cut in two, again and again, now in memory, now in time."""
    random = np.random.default_rng(seed)
    boxes: list[_Box] = [(0, capacity, 0, steps)]
    while len(boxes) < count:
        at = _large(boxes, random)
        begin, end, first, stop = boxes[at]
        if (end - begin) // GRAIN > 1 and (stop - first < 2 or random.random() < 0.5):
            cut = begin + GRAIN * int(random.integers(1, (end - begin) // GRAIN))
            boxes[at : at + 1] = [(begin, cut, first, stop), (cut, end, first, stop)]
        elif stop - first > 1:
            cut = int(random.integers(first + 1, stop))
            boxes[at : at + 1] = [(begin, end, first, cut), (begin, end, cut, stop)]
    return random.permutation(np.array(boxes))


def pinwheels(count: int, capacity: int, steps: int, seed: int) -> Boxes:
    """`capacity` x `steps` cut into pinwheels of five, which no straight cut divides, and in two."""
    random = np.random.default_rng(seed)
    boxes: list[_Box] = [(0, capacity, 0, steps)]
    while len(boxes) < count:
        at = _large(boxes, random)
        begin, end, first, stop = boxes[at]
        grains = (end - begin) // GRAIN
        if grains >= 3 and stop - first >= 3 and random.random() < 0.5:
            low, high = (begin + GRAIN * int(i) for i in np.sort(random.choice(np.arange(1, grains), 2, replace=False)))
            early, late = (int(t) for t in np.sort(random.choice(np.arange(first + 1, stop), 2, replace=False)))
            boxes[at : at + 1] = [
                (begin, low, first, late),
                (low, end, first, early),
                (high, end, early, stop),
                (begin, high, late, stop),
                (low, high, early, late),
            ]
        elif grains > 1:
            cut = begin + GRAIN * int(random.integers(1, grains))
            boxes[at : at + 1] = [(begin, cut, first, stop), (cut, end, first, stop)]
    return random.permutation(np.array(boxes))


def churn(count: int, capacity: int, steps: int, seed: int) -> Boxes:
    """A memory that is always full: at each of about `count / 2` steps neighbours die and others take their place.

    `steps` is not used: there are as many as it takes.
    """
    random = np.random.default_rng(seed)
    live = [(*piece, 0) for piece in _cut(0, capacity, max(4, count // 25), random)]
    boxes: list[_Box] = []
    step = 0
    while len(boxes) + len(live) < count:
        step += 1
        at = int(random.integers(len(live)))
        dying = live[at : at + int(random.integers(1, 4))]
        boxes += [(begin, end, first, step) for begin, end, first in dying if first < step]
        pieces = _cut(dying[0][0], dying[-1][1], int(random.integers(1, 4)), random)
        live[at : at + len(dying)] = [(begin, end, step) for begin, end in pieces]
    boxes += [(begin, end, first, step + 1) for begin, end, first in live]
    return random.permutation(np.array(boxes))


def buddies(count: int, capacity: int, steps: int, seed: int) -> Boxes:
    """Powers of two as a buddy allocator places them, many short-lived and few long-lived; `steps` is not used."""
    random = np.random.default_rng(seed)
    top = (capacity // GRAIN).bit_length() - 1
    free: dict[int, list[int]] = {order: [] for order in range(top)} | {top: [0]}
    live: list[_Box] = []
    boxes: list[_Box] = []
    step = 0
    while len(boxes) + len(live) < count:
        step += 1
        for _ in range(3):
            order = int(random.integers(top - 8, top - 1))
            larger = next((each for each in range(order, top + 1) if free[each]), None)
            if larger is None:
                break
            begin = free[larger].pop(int(random.integers(len(free[larger]))))
            for half in range(order, larger):
                free[half].append(begin + (GRAIN << half))
            life = int(random.geometric(0.1 if random.random() < 0.8 else 0.01))
            live.append((begin, begin + (GRAIN << order), step, step + life))
        for box in [each for each in live if each[3] == step]:
            live.remove(box)
            boxes.append(box)
            _give_back(box, free)
    boxes += [(begin, end, first, step + 1) for begin, end, first, _ in live]
    return random.permutation(np.array(boxes))


def _give_back(box: _Box, free: dict[int, list[int]]) -> None:
    begin, order = box[0], ((box[1] - box[0]) // GRAIN).bit_length() - 1
    while order < max(free) and begin ^ (GRAIN << order) in free[order]:
        free[order].remove(begin ^ (GRAIN << order))
        begin &= ~(GRAIN << order)
        order += 1
    free[order].append(begin)


def _large(boxes: list[_Box], random: np.random.Generator) -> int:
    """One of the boxes, more likely a large one."""
    drawn = [int(i) for i in random.integers(0, len(boxes), 3)]
    return max(drawn, key=lambda i: (boxes[i][1] - boxes[i][0]) * (boxes[i][3] - boxes[i][2]))


def _cut(begin: int, end: int, parts: int, random: np.random.Generator) -> list[tuple[int, int]]:
    grains = (end - begin) // GRAIN
    parts = min(parts, grains)
    cuts = np.sort(random.choice(np.arange(1, grains), parts - 1, replace=False)) if parts > 1 else []
    edges = [begin, *(begin + GRAIN * int(cut) for cut in cuts), end]
    return list(pairwise(edges))
