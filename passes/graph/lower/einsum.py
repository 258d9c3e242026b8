"""Einsum, as products of matrices wherever two operands share a summed index, else as broadcast products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of
from vcc.dialects.graph.base import is_int
from vcc.passes.graph.lower.constraints import machine_multiplies, number_tensors
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers


@dataclass(frozen=True)
class Term:
    """A value and the label of each of its axes; no label occurs twice."""

    value: SSAValue
    labels: str

    def size(self, label: str) -> int:
        """The extent of the labelled axis."""
        return shape_of(self.value)[self.labels.index(label)]


def split_equation(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The labels of each operand and of the result; axes under an ellipsis get digits, counted from the last.

    Raises ValueError where labels and ranks disagree or an ellipsis covers more than ten axes.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(ranks):
        raise ValueError(f"einsum: the equation names {len(parts)} operands of {len(ranks)}")
    covered = [
        rank - len(part.replace("...", "")) if "..." in part else 0 for part, rank in zip(parts, ranks, strict=True)
    ]
    most = max(covered)
    terms = [part.replace("...", _digits(count)) for part, count in zip(parts, covered, strict=True)]
    if most > 10 or any(len(term) != rank for term, rank in zip(terms, ranks, strict=True)):
        raise ValueError(f"einsum: the labels of '{equation}' do not fit operands of ranks {list(ranks)}")
    if arrow:
        return terms, right.replace("...", _digits(most))
    every = "".join(terms)
    return terms, _digits(most) + "".join(sorted({c for c in every if c.isalpha() and every.count(c) == 1}))


def _digits(count: int) -> str:
    return "9876543210"[10 - count :] if count else ""


def multiplied_or_integers(node: Node) -> bool:
    """The machine must multiply numbers of the first input's dtype, or they must be integers."""
    return is_int(node.element) or machine_multiplies(node)


def valid_equation(node: Node) -> bool:
    """The equation must fit the ranks of the operands."""
    try:
        split_equation(node.string("equation", ""), [len(shape_of(value)) for value in node.present])
    except ValueError:
        return False
    return True


@lowers("Einsum", needs=[number_tensors, multiplied_or_integers, valid_equation])
def lower_einsum(node: Node) -> SSAValue:
    """Operands are combined from the left; an index is summed as soon as no later operand has it."""
    labels, result = split_equation(node.string("equation", ""), [len(shape_of(value)) for value in node.present])
    terms = [_diagonal(node, value, each) for value, each in zip(node.present, labels, strict=True)]
    total = terms[0]
    for position, term in enumerate(terms[1:], 1):
        later = result + "".join(each.labels for each in terms[position + 1 :])
        total = _combine(
            node, _summed(node, total, term.labels + later), _summed(node, term, total.labels + later), later
        )
    total = _summed(node, total, result)
    return _arranged(node, total, result)


def _diagonal(node: Node, value: SSAValue, labels: str) -> Term:
    """The operand with one axis for each label: of those with one label, the diagonal."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            rest = [axis for axis in range(len(labels)) if axis not in (first, second)]
            shape = shape_of(value)
            size, others = shape[first], [shape[axis] for axis in rest]
            flat = node.reshape(node.transpose(value, [*rest, first, second]), [*others, size * size])
            steps = [1] * len(others) + [size + 1]
            value = node.slice(flat, [0] * len(steps), [*others, size], steps)
            labels = "".join(labels[axis] for axis in rest) + label
    return Term(value, labels)


def _summed(node: Node, term: Term, kept: str) -> Term:
    """The term without the axes whose labels are not among `kept`."""
    axes = [axis for axis, label in enumerate(term.labels) if label not in kept]
    if not axes:
        return term
    return Term(node.reduce("add", term.value, axes, keepdims=False), "".join(c for c in term.labels if c in kept))


def _arranged(node: Node, term: Term, labels: str) -> SSAValue:
    """The value with its axes in the order of `labels`, and axes of size one for labels it lacks."""
    order = [term.labels.index(label) for label in labels if label in term.labels]
    value = term.value if order == sorted(order) else node.transpose(term.value, order)
    return node.reshape(value, [term.size(label) if label in term.labels else 1 for label in labels])


def _combine(node: Node, a: Term, b: Term, later: str) -> Term:
    """The product of two terms, summed over what both have and nobody needs later."""
    common = [label for label in a.labels if label in b.labels]
    summed = "".join(label for label in common if label not in later)
    if not summed or is_int(node.element):
        labels = a.labels + "".join(label for label in b.labels if label not in a.labels)
        return Term(node.binary("mul", _arranged(node, a, labels), _arranged(node, b, labels)), labels)
    batch = "".join(label for label in common if label in later)
    rows = "".join(label for label in a.labels if label not in common)
    columns = "".join(label for label in b.labels if label not in common)
    product = node.emit(
        graph.MatmulOp(_matrices(node, a, batch, rows, summed), _matrices(node, b, batch, summed, columns))
    )
    sizes = [*(_extent(label, a, b) for label in batch), *(a.size(label) for label in rows)]
    return Term(node.reshape(product, [*sizes, *(b.size(label) for label in columns)]), batch + rows + columns)


def _extent(label: str, a: Term, b: Term) -> int:
    return max(a.size(label), b.size(label))


def _matrices(node: Node, term: Term, batch: str, rows: str, columns: str) -> SSAValue:
    """The term as [batch..., rows, columns], where labels of one group become one axis."""
    value = _arranged(node, term, batch + rows + columns)
    sizes = [[term.size(label) for label in group] for group in (rows, columns)]
    return node.reshape(value, [*(term.size(label) for label in batch), *map(prod, sizes)])
