"""Files that commands are given: told apart by what is in them, `-` being stdin or stdout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vcc.runtime.diagnostics import error

if TYPE_CHECKING:
    from vcc.runtime.binary.image import Image


def read_bytes(name: str) -> bytes:
    """The bytes of a file or of stdin; E0204 if it cannot be read."""
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as failure:
        raise error("E0204", f"cannot read {name}: {failure.strerror or failure}") from None


def read_text(name: str, code: str) -> str:
    """The text of a file or of stdin; E0204 if it cannot be read, `code` if it is not UTF-8."""
    try:
        return read_bytes(name).decode("utf-8")
    except UnicodeDecodeError as failure:
        raise error(code, f"{name}: not UTF-8 text (byte {failure.start})") from None


def is_binary(name: str) -> bool:
    """Whether a file is to be taken for a .vbin: by its name, otherwise by its first bytes. E0204 if unreadable."""
    from vcc.runtime.binary.format import MAGIC

    suffix = Path(name).suffix
    if suffix in (".vbin", ".onnx") or name == "-":
        return suffix == ".vbin"
    try:
        with open(name, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as failure:
        raise error("E0204", f"cannot read {name}: {failure.strerror or failure}") from None


def read_image(name: str) -> Image:
    """The image in a .vbin file or in stdin; E0204 or E0303 as the reader says."""
    from vcc.runtime.binary import reader

    return reader.read_image(read_bytes("-"), "stdin") if name == "-" else reader.load(name)


def model_argument(name: str) -> Path | bytes:
    """What the frontend takes for a file's name: a path, or the bytes of stdin."""
    return read_bytes("-") if name == "-" else Path(name)


def image_or_model(name: str) -> Image | Path | bytes:
    """The image in a .vbin file; a model as its path. Stdin may be either, a model as its bytes."""
    from vcc.runtime.binary.format import MAGIC
    from vcc.runtime.binary.reader import read_image as image_of

    if name != "-":
        return read_image(name) if is_binary(name) else Path(name)
    data = read_bytes("-")
    return image_of(data, "stdin") if data.startswith(MAGIC) else data
