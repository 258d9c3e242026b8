"""Model files as `ModelProto`s."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import ModelProto

from vcc.runtime.diagnostics import error


@dataclass(frozen=True)
class ModelSource:
    """A model and the folder its external data lies in; None for a model that came from memory."""

    proto: ModelProto
    folder: Path | None


def read_model(model: str | Path | bytes | ModelProto) -> ModelSource:
    """Read a model given as a path, as bytes or as a message; E0204 for an unreadable file, E0101 if it is no model."""
    if isinstance(model, ModelProto):
        return ModelSource(model, None)
    if isinstance(model, bytes):
        return ModelSource(_parse(model, "the model"), None)
    path = Path(model)
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise error("E0204", f"cannot read {path}: {failure.strerror or failure}") from None
    return ModelSource(_parse(data, str(path)), path.parent)


def _parse(data: bytes, name: str) -> ModelProto:
    if not data:
        raise error("E0101", f"{name} is empty")
    try:
        proto = ModelProto.FromString(data)
        # Not valid UTF-8 anywhere shows only when a string is read or the message is written again.
        proto.SerializeToString()
    except (DecodeError, UnicodeDecodeError, ValueError):
        help = "a damaged or unfinished download, or a file of another format"
        raise error("E0101", f"{name} is not an ONNX model, or is cut short", help=help) from None
    if not proto.HasField("graph"):
        raise error("E0101", f"{name} is not an ONNX model: it holds no graph")
    return proto
