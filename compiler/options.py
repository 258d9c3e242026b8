"""What a user can ask of a compilation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from vcc.runtime.diagnostics import error

HOST_OPS = ("allow", "error")

#: The largest dimension: addresses in bytes must fit 64 bits with room to spare.
MAX_SIZE = 1 << 40


@dataclass(frozen=True)
class Options:
    """The options of one compilation; equal options, model and vcc version give the same bytes.

    `target` is a target's name or a .toml file. `shapes` gives inputs their sizes, by name; inputs in `values` become
    constants (a number fills an input's shape). `host_ops` says whether operators without a kernel may run on the host
    ("allow") or are an error ("error"). `verify_each` verifies the IR after every pass and not just after every phase.
    `save_temps` is a folder for the IR after each phase. `winograd` says whether convolutions may be done by minimal
    filtering where the target allows it, which is faster and rounds a little differently.
    """

    target: str = "host"
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    host_ops: str = "allow"
    verify_each: bool = False
    save_temps: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    winograd: bool = True

    def __post_init__(self) -> None:
        if self.host_ops not in HOST_OPS:
            raise error("E0202", f"host_ops is 'allow' or 'error', not {self.host_ops!r}")
        for name, shape in self.shapes.items():
            if not all(map(_is_size, shape)):
                raise error("E0105", f"input '{name}': {'x'.join(map(str, shape))} is not a shape that can be had")

    def as_dict(self) -> dict[str, Any]:
        """The options as JSON values, for reports."""
        return {
            "target": self.target,
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "values": {name: np.asarray(value).tolist() for name, value in self.values.items()},
            "host_ops": self.host_ops,
            "verify_each": self.verify_each,
            "winograd": self.winograd,
        }


def _is_size(size: object) -> bool:
    return isinstance(size, SupportsIndex) and 0 <= index(size) <= MAX_SIZE


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """An input's name and sizes from `NAME:1x3x224x224` (`NAME:` alone is a scalar); E0202 for anything else.

    The last colon divides, since ONNX names may hold colons themselves.
    """
    name, colon, sizes = text.rpartition(":")
    if not colon or not name or not re.fullmatch(r"(\d+(x\d+)*)?", sizes):
        raise error("E0202", f"'{text}' is not a shape", help="write NAME:1x3x224x224")
    return name, tuple(int(size) for size in sizes.split("x")) if sizes else ()


def parse_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The shapes of several inputs; E0202 if one is named twice."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, sizes in map(parse_shape, texts):
        if name in shapes:
            raise error("E0202", f"--shape gives input '{name}' twice")
        shapes[name] = sizes
    return shapes


def parse_values(texts: Sequence[str]) -> dict[str, Any]:
    """The values of inputs from `NAME=NUMBER` or `NAME=FILE.npy`; E0202 for what is neither or named twice.

    E0204 for a file that cannot be read.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        if not equals or not name:
            raise error("E0202", f"'{text}' is not a value for an input", help="write NAME=16000 or NAME=FILE.npy")
        if name in values:
            raise error("E0202", f"--freeze gives input '{name}' twice")
        values[name] = _value(value)
    return values


def _value(text: str) -> Any:
    if text.endswith(".npy"):
        try:
            return np.load(text, allow_pickle=False)
        except (OSError, ValueError) as problem:
            raise error("E0204", f"{text}: {problem}") from problem
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    raise error("E0202", f"'{text}' is neither a number, true, false, nor a .npy file")
