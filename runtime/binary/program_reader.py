"""Decode everything of an image but its kernels: the counterpart of program_writer.py, which trusts no word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.binary.format import SPACES, DamagedError, align
from vcc.runtime.binary.image import Constant, LiveRange, Value
from vcc.runtime.binary.program_writer import HOST_CALL, INTEGER, LAUNCH, OMITTED, PLACE
from vcc.runtime.binary.words import WordReader
from vcc.runtime.isa.host import HostCall, HostProgram, HostTensor, Launch, Ref, Step, TensorSpec
from vcc.runtime.isa.limits import MAX_BYTES, MAX_RANK

#: Sizes, offsets, and whatever else counts elements or bytes.
MAX_SIZE = MAX_BYTES


def read_host(words: WordReader, kernels: Sequence[str]) -> HostProgram:
    """The host program; `kernels` are the names that launches refer to by number."""
    reader = _HostReader(words, kernels)
    inputs, outputs = words.many("inputs", reader.spec), words.many("outputs", reader.spec)
    arena_bytes = words.i64(0, MAX_SIZE)
    program = HostProgram(inputs, outputs, words.many("steps", reader.step), arena_bytes)
    words.finish()
    return program


class _HostReader:
    def __init__(self, words: WordReader, kernels: Sequence[str]):
        self.words, self.kernels = words, kernels

    def shape(self) -> tuple[int, ...]:
        return self.words.many("dimensions", lambda: self.words.i64(0, MAX_SIZE), MAX_RANK)

    def spec(self) -> TensorSpec:
        return TensorSpec(self.words.text(), self.words.dtype(), self.shape())

    def step(self) -> Step:
        kind = self.words.u32()
        if kind == LAUNCH:
            return self.launch()
        if kind == HOST_CALL:
            return self.host_call()
        raise self.words.fail(f"there is no step of kind {kind}")

    def launch(self) -> Launch:
        words = self.words
        kernel = words.code(self.kernels, "kernel")
        args = words.many("arguments", self.argument)
        sources = words.many("sources", lambda: words.many("nodes", words.u32))
        return Launch(kernel, args, sources, words.many("taps", lambda: words.i64(-1, MAX_SIZE)))

    def argument(self) -> Ref | int:
        kind = self.words.index(2, "kind of argument")
        return self.words.i64() if kind == INTEGER else self.ref()

    def ref(self) -> Ref:
        return Ref(self.words.code(SPACES, "space"), self.words.u32(), self.words.i64(0, MAX_SIZE))

    def host_call(self) -> HostCall:
        words = self.words
        return HostCall(
            domain=words.text(),
            op_type=words.text(),
            version=words.i64(0, MAX_SIZE),
            node=words.blob(),
            inputs=words.many("operands", self.tensor),
            outputs=words.many("results", self.tensor),
            sources=words.many("sources", words.u32),
            values=words.many("values", lambda: words.i64(-1, MAX_SIZE)),
            reason=words.text(),
        )

    def tensor(self) -> HostTensor:
        kind = self.words.u32()
        if kind not in (PLACE, OMITTED):
            raise self.words.fail(f"there is no tensor of kind {kind}")
        ref = self.ref() if kind == PLACE else None
        return HostTensor(ref, self.words.dtype(), self.shape())


def read_constants(words: WordReader, raw: NDArray[np.uint8]) -> tuple[Constant, ...]:
    """The constants: read-only views of the raw section."""
    end = 0

    def constant() -> Constant:
        nonlocal end
        name, note, dtype = words.text(), words.text(), words.dtype()
        offset, count = words.i64(0, MAX_SIZE), words.i64(0, MAX_SIZE)
        if offset != align(end) or offset + count * dtype.size > len(raw):
            raise words.fail(f"constant {name} does not lie in its section")
        end = offset + count * dtype.size
        data: NDArray[Any] = raw[offset:end]
        if dtype.kind == "b" and data.size and data.max() > 1:
            raise words.fail(f"constant {name} has booleans that are neither 0 nor 1")
        return Constant(name, data.view(dtype.numpy), note)

    constants = words.many("constants", constant)
    words.finish()
    if end != len(raw):
        raise DamagedError("section CONSTANTS goes on after its last array")
    return constants


def read_plan(words: WordReader) -> tuple[int, tuple[LiveRange, ...]]:
    """The lower bound of the arena and its live ranges."""

    def row() -> LiveRange:
        return LiveRange(words.text(), words.i64(0, MAX_SIZE), words.i64(0, MAX_SIZE), words.u32(), words.u32())

    plan = words.i64(0, MAX_SIZE), words.many("live ranges", row)
    words.finish()
    return plan


def read_symbols(words: WordReader) -> tuple[str, ...]:
    """The ONNX node names."""
    nodes = words.many("nodes", words.text)
    words.finish()
    return nodes


def read_remarks(words: WordReader, nodes: int) -> tuple[tuple[int, str], ...]:
    """The remarks, each with the node it is about (-1: none); the rest of the section is left unread."""
    return words.many("remarks", lambda: (words.i64(-1, nodes - 1), words.text()))


def read_values(words: WordReader, nodes: int) -> tuple[Value, ...]:
    """The observable values; the rest of the section is left unread."""

    def value() -> Value:
        name, node, dtype = words.text(), words.i64(-1, nodes - 1), words.dtype()
        shape = words.many("dimensions", lambda: words.i64(0, MAX_SIZE), MAX_RANK)
        return Value(name, node, dtype, shape, words.i64(-1, max(0, len(shape) - 1)), words.i64(0, MAX_SIZE))

    return words.many("values", value)
