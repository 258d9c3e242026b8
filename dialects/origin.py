"""Where an op came from: the ONNX nodes it stands for, and the ONNX values its results are equal to.

The nodes are the op's location: a `NameLoc` per ONNX node, a `FusedLoc` of several. The values are the discardable
attribute `values`: one array of names per result. `OriginListener` keeps both through rewrites.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from xdsl.dialects.builtin import (
    UNKNOWN_LOC,
    ArrayAttr,
    CallSiteLoc,
    FusedLoc,
    LocationAttr,
    NameLoc,
    NoneAttr,
    StringAttr,
    UnknownLoc,
)
from xdsl.ir import Operation, OpResult, SSAValue
from xdsl.pattern_rewriter import PatternRewriterListener

#: The discardable attribute that names the ONNX values of an op's results.
VALUES = "values"


def _names_in(location: object) -> Iterator[str]:
    if isinstance(location, NameLoc):
        yield location.desc.data
        yield from _names_in(location.location)
    elif isinstance(location, FusedLoc):
        assert isinstance(location.locations, ArrayAttr)
        for inner in location.locations:
            yield from _names_in(inner)
    elif isinstance(location, CallSiteLoc):
        yield from _names_in(location.callee)
        yield from _names_in(location.caller)


def node_names(op_or_location: Operation | LocationAttr) -> tuple[str, ...]:
    """The ONNX node names an op (or a location) stands for, in order, each once; empty if unknown."""
    location = op_or_location.location if isinstance(op_or_location, Operation) else op_or_location
    return tuple(dict.fromkeys(_names_in(location)))


def node_location(*names: str) -> LocationAttr:
    """The location of an op that stands for these ONNX nodes."""
    unique = dict.fromkeys(names)
    locations = [NameLoc(StringAttr(name), NoneAttr()) for name in unique]
    if len(locations) > 1:
        return FusedLoc(tuple(locations), NoneAttr())
    return locations[0] if locations else UNKNOWN_LOC


def fuse_locations(*ops_or_locations: Operation | LocationAttr) -> LocationAttr:
    """One location that names every ONNX node of the given ops or locations, in order, each once."""
    return node_location(*(name for each in ops_or_locations for name in node_names(each)))


def value_names(value: SSAValue) -> tuple[str, ...]:
    """The ONNX values that `value` is equal to; empty for block arguments and for values the model does not name."""
    if not isinstance(value, OpResult):
        return ()
    values = value.op.attributes.get(VALUES)
    if not isinstance(values, ArrayAttr) or value.index >= len(values):
        return ()
    names = values.data[value.index]
    if not isinstance(names, ArrayAttr):
        return ()
    return tuple(name.data for name in names if isinstance(name, StringAttr))


def set_value_names(op: Operation, names: Sequence[Iterable[str]]) -> None:
    """Name the ONNX values of every result of `op`, replacing what was there; no names at all drop the attribute."""
    arrays = [ArrayAttr([StringAttr(name) for name in dict.fromkeys(each)]) for each in names]
    if any(len(array) for array in arrays):
        op.attributes[VALUES] = ArrayAttr(arrays)
    else:
        op.attributes.pop(VALUES, None)


def add_value_names(result: SSAValue, names: Iterable[str]) -> None:
    """Say that `result` is equal to the ONNX values `names` too; nothing happens to a block argument."""
    if not isinstance(result, OpResult) or not (added := tuple(names)):
        return
    all_names = [value_names(each) for each in result.op.results]
    all_names[result.index] += added
    set_value_names(result.op, all_names)


class OriginListener(PatternRewriterListener):
    """Gives inserted ops the location of the ops they stand for, and replaced results' value names to the new ones.

    Between `begin` and `end` (one application of a pattern) every inserted op without a location gets the locations
    of all ops the pattern erased, fused, or the matched op's if it erased none. Without them each replacement
    settles the ops inserted since the last one.
    """

    def __init__(self) -> None:
        super().__init__(
            operation_insertion_handler=[self._inserted],
            operation_removal_handler=[self._removed],
            operation_replacement_handler=[self._replaced],
        )
        self._matched: LocationAttr | None = None
        self._new_ops: list[Operation] = []
        self._old_locations: list[LocationAttr] = []

    def begin(self, op: Operation) -> None:
        """A pattern is about to be applied to `op`."""
        self._matched = op.location

    def matched_names(self) -> tuple[str, ...]:
        """The ONNX nodes of the op a pattern is being applied to."""
        return () if self._matched is None else node_names(self._matched)

    def end(self) -> None:
        """The pattern is done: locate what it inserted."""
        if self._new_ops:
            # Users are erased before what they use, so the reverse is the order of execution.
            old = self._old_locations[::-1]
            matched = UNKNOWN_LOC if self._matched is None else self._matched
            self._settle(fuse_locations(*old) if old else matched)
        self._old_locations.clear()
        self._matched = None

    def _settle(self, location: LocationAttr) -> None:
        for new_op in self._new_ops:
            for op in new_op.walk():
                if isinstance(op.location, UnknownLoc):
                    op.location = location
        self._new_ops.clear()

    def _inserted(self, op: Operation) -> None:
        if op.regions or isinstance(op.location, UnknownLoc):
            self._new_ops.append(op)

    def _removed(self, op: Operation) -> None:
        if self._matched is not None:
            self._old_locations.append(op.location)

    def _replaced(self, op: Operation, new_values: Sequence[SSAValue | None]) -> None:
        if self._matched is None and self._new_ops:
            self._settle(op.location)
        if VALUES not in op.attributes:
            return
        for result, value in zip(op.results, new_values, strict=True):
            if value is not None and (names := value_names(result)):
                add_value_names(value, names)
