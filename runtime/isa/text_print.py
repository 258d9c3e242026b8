"""A whole program as text, line by line: what stands around its kernels."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.isa.disassembler import disassemble_kernel, quote, quote_name
from vcc.runtime.isa.dtypes import DType, dtype_of
from vcc.runtime.isa.host import HostCall, HostTensor, Launch, Ref, Space

if TYPE_CHECKING:
    from vcc.runtime.binary.image import Constant, Image

#: Constants up to this many bytes in all are written out; above it they stay in the .vbin.
MAX_INLINE_BYTES = 64 * 1024
MAX_SHOWN_NAMES = 4
_BASE64_COLUMNS = 96


def directives(image: Image) -> Iterator[str]:
    """Everything but constants, kernels and the host program."""
    if image.machine:
        yield from _literal(".machine ", image.machine.splitlines(keepends=True))
    for directive, specs in ((".input", image.host.inputs), (".output", image.host.outputs)):
        for spec in specs:
            yield f"{directive} {quote(spec.name)} {_type(spec.dtype, spec.shape)}"
    for number, name in enumerate(image.nodes):
        yield f".node {number} {quote(name)}"
    for number, value in enumerate(image.values):
        line = f".value {number} {quote(value.name)} {_type(value.dtype, value.shape)} node={value.node}"
        yield line + (f" axis={value.axis}" if value.axis else "") + (f" block={value.block}" if value.block else "")
    if image.host.arena_bytes:
        yield f".arena {image.host.arena_bytes}"
    for row in image.plan:
        yield f".live {quote(row.name)} {row.offset} size {row.size} steps {row.first}..{row.last}"
    if image.lower_bound:
        yield f".lower_bound {image.lower_bound}"
    for node, text in image.remarks:
        yield f".remark {node} {quote(text)}"


def constants(rows: Sequence[Constant], path: str | None, offsets: Sequence[int] | None) -> Iterator[str]:
    """Constants written out, or as places in the file at `path`, where constant i begins at byte `offsets[i]`."""
    if path is not None and offsets is None:
        offsets = mapped_offsets(rows)
    inline = path is None or offsets is None or sum(row.data.nbytes for row in rows) <= MAX_INLINE_BYTES
    for number, row in enumerate(rows):
        data = np.ascontiguousarray(row.data)
        head = f".const {number} {quote(row.name)} {_type(dtype_of(data.dtype), row.data.shape)}"
        head += f" note={quote(row.note)}" if row.note else ""
        if inline or path is None or offsets is None:
            yield head
            yield from _literal("  .base64 ", _base64(data.tobytes()))
        else:
            digest = hashlib.sha256(data.reshape(-1).view(np.uint8).data).hexdigest()
            yield f'{head} .incbin {quote(path)}, {offsets[number]}, {data.nbytes}, "{digest}"'


def mapped_offsets(rows: Sequence[Constant]) -> list[int] | None:
    """The byte of the mapped file where each constant begins; None unless all are views of a mapped file."""
    offsets: list[int] = []
    for row in rows:
        root: NDArray[Any] = row.data
        while isinstance(root.base, np.ndarray):
            root = root.base
        if not isinstance(root, np.memmap):
            return None
        offsets.append(row.data.ctypes.data - root.ctypes.data + root.offset)
    return offsets


def kernels(image: Image, source: bool) -> Iterator[str]:
    """Every kernel; with `source`, comments name the ONNX nodes of all launches above the instructions."""
    for kernel in image.kernels:
        found: dict[int, dict[str, None]] = {}
        for step in image.host.steps:
            if source and isinstance(step, Launch) and step.kernel == kernel.name:
                for number, nodes in enumerate(step.sources):
                    found.setdefault(number, {}).update(dict.fromkeys(_names(image, nodes)))
        shown = {number: _shorten(list(names)) for number, names in found.items()}
        yield disassemble_kernel(kernel, (lambda number, shown=shown: shown.get(number, ())) if source else None)


def host(image: Image) -> Iterator[str]:
    """The host program, if it has steps; comments at the ends of lines name the ONNX nodes."""
    if not image.host.steps:
        return
    yield "host {"
    for step in image.host.steps:
        if isinstance(step, Launch):
            lines, nodes = [_launch(step)], [node for group in step.sources for node in group]
        else:
            lines, nodes = list(_call(step)), list(step.sources)
        names = ", ".join(quote(name)[1:-1] for name in _shorten(list(dict.fromkeys(_names(image, nodes)))))
        lines[0] += f"  ; {names}" if names else ""
        yield from ("  " + line for line in lines)
    yield "}"


def _launch(step: Launch) -> str:
    args = ", ".join(_ref(arg) if isinstance(arg, Ref) else str(arg) for arg in step.args)
    text = f"launch {quote_name(step.kernel)}({args})"
    text += f" sources=[{', '.join(map(_list, step.sources))}]" if step.sources else ""
    return text + (f" taps={_list(step.taps)}" if step.taps else "")


def _call(step: HostCall) -> Iterator[str]:
    inputs, outputs = (", ".join(map(_tensor, tensors)) for tensors in (step.inputs, step.outputs))
    yield f"call {quote_name(step.op_type)}({inputs}) -> ({outputs}) version={step.version}"
    if step.domain:
        yield f"  domain={quote(step.domain)}"
    if step.sources:
        yield f"  sources={_list(step.sources)}"
    if step.values:
        yield f"  values={_list(step.values)}"
    if step.reason:
        yield f"  reason={quote(step.reason)}"
    yield from _literal("  node=", _base64(step.node))


def _tensor(tensor: HostTensor) -> str:
    return f"{_ref(tensor.ref) if tensor.ref else 'none'} {_type(tensor.dtype, tensor.shape)}"


def _ref(ref: Ref) -> str:
    index = "" if ref.space is Space.ARENA and not ref.index else f" {ref.index}"
    return f"{ref.space}{index}" + (f"+{ref.offset}" if ref.offset else "")


def _list(numbers: Iterable[int]) -> str:
    return f"[{', '.join(map(str, numbers))}]"


def _type(dtype: DType, shape: Iterable[int]) -> str:
    return f"{dtype}[{','.join(map(str, shape))}]"


def _base64(data: bytes) -> list[str]:
    text = base64.b64encode(data).decode("ascii")
    return [text[i : i + _BASE64_COLUMNS] for i in range(0, len(text), _BASE64_COLUMNS)]


def _literal(head: str, parts: list[str]) -> Iterator[str]:
    """String literals that are read as one, below each other."""
    for number, part in enumerate(parts or [""]):
        yield (" " * len(head) if number else head) + _quote_line(part)


def _quote_line(part: str) -> str:
    """A string literal of text that may end in a newline."""
    return quote(part[:-1])[:-1] + '\\n"' if part.endswith("\n") else quote(part)


def _names(image: Image, nodes: Iterable[int]) -> list[str]:
    return [image.nodes[node] for node in nodes if 0 <= node < len(image.nodes)]


def _shorten(names: list[str]) -> list[str]:
    more = len(names) - MAX_SHOWN_NAMES
    return names if more <= 0 else [*names[:MAX_SHOWN_NAMES], f"... ({more} more)"]
