"""IR on disk: `g.mlir` as text, and beside it `g.mlir.safetensors` with the weights the text refers to."""

from __future__ import annotations

import io
from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp
from xdsl.ir import Attribute
from xdsl.printer import Printer
from xdsl.utils.exceptions import ParseError, VerifyException

from vcc.compiler.files import replacing
from vcc.compiler.safetensors import read_tensors, write_tensors
from vcc.dialects.text import parse_module
from vcc.dialects.weights import WeightAttr, store_of
from vcc.runtime.diagnostics import error


def print_ir(module: ModuleOp) -> str:
    """The module as text with its locations, so that node names survive."""
    stream = io.StringIO()
    Printer(stream, print_debuginfo=True).print_op(module)
    stream.write("\n")
    return stream.getvalue()


def weights_path(path: Path) -> Path:
    """Where the weights of the IR file `path` lie."""
    return path.with_name(path.name + ".safetensors")


def used_digests(module: ModuleOp) -> list[str]:
    """The digests of all weights that `module` refers to, each once, in order."""
    found: dict[str, None] = {}
    for op in module.walk():
        for attribute in (*op.properties.values(), *op.attributes.values()):
            _collect(attribute, found)
    return list(found)


def _collect(attribute: Attribute, found: dict[str, None]) -> None:
    if isinstance(attribute, WeightAttr):
        found.setdefault(attribute.digest.data)
    elif isinstance(attribute, ArrayAttr):
        for each in attribute:
            _collect(each, found)
    elif isinstance(attribute, DictionaryAttr):
        for each in attribute.data.values():
            _collect(each, found)


def write_ir(module: ModuleOp, ctx: Context, path: Path) -> None:
    """Write the module to `path` and its weights beside it; E0203 if that cannot be done.

    No weights file is written, and an old one is removed, when the module refers to no weights.
    """
    store = store_of(ctx)
    weights = {digest: store.get(digest) for digest in used_digests(module)}
    text = print_ir(module)
    if weights:
        with replacing(weights_path(path)) as temporary:
            write_tensors(temporary, weights)
    else:
        weights_path(path).unlink(missing_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def load_weights(path: Path, ctx: Context) -> None:
    """Put the weights beside the IR file `path`, if there are any, into the context's store; E0204 if damaged."""
    beside = weights_path(path)
    if beside.exists():
        store_of(ctx).blobs.update(read_tensors(beside))


def read_ir(path: Path, ctx: Context) -> ModuleOp:
    """The module in `path`; its weights come from the file beside it, memory-mapped, into the context's store.

    E0204 if a file cannot be read, E0107 if the text is not valid IR.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as failure:
        raise error("E0204", f"cannot read {path}: {failure.strerror or failure}") from None
    except UnicodeDecodeError:
        raise error("E0107", f"{path} is not IR: it is not UTF-8 text") from None
    load_weights(path, ctx)
    try:
        module = parse_module(ctx, text, str(path))
    except (ParseError, VerifyException) as failure:
        raise error("E0107", f"{path} is not IR: {_first_line(failure)}") from None
    return module


def _first_line(failure: Exception) -> str:
    if isinstance(failure, ParseError):
        return f"line {failure.span.get_location().line}: {failure.msg}"
    return str(failure).strip().splitlines()[0]
