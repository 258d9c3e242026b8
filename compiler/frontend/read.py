"""Model files as `ModelProto`s."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from onnx import ModelProto, TensorProto

from vcc.runtime.diagnostics import error

#: Fields that nothing of vcc reads.
_UNUSED = frozenset({"doc_string", "metadata_props", "training_info", "quantization_annotation"})


@dataclass(frozen=True)
class ModelSource:
    """A model and the folder its external data lies in; None for a model that came from memory."""

    proto: ModelProto
    folder: Path | None


def read_model(model: str | Path | bytes | ModelProto) -> ModelSource:
    """Read a model given as a path, as bytes or as a message; E0204 for an unreadable file, E0101 if it is no model."""
    if isinstance(model, ModelProto):
        proto, folder = model, None
    elif isinstance(model, bytes):
        proto, folder = _parse(model, "the model"), None
    else:
        path = Path(model)
        proto, folder = _parse(_bytes(path), str(path)), path.parent
    if (bad := _bad_text(proto)) is not None:
        raise error("E0102", f"the model has a name that is not UTF-8: {bad!r}")
    return ModelSource(proto, folder)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failure:
        raise error("E0204", f"cannot read {path}: {failure.strerror or failure}") from None


def _parse(data: bytes, name: str) -> ModelProto:
    if not data:
        raise error("E0101", f"{name} is empty")
    try:
        proto = ModelProto.FromString(data)
    except (DecodeError, ValueError):
        help = "a damaged or unfinished download, or a file of another format"
        raise error("E0101", f"{name} is not an ONNX model, or is cut short", help=help) from None
    if not proto.HasField("graph"):
        raise error("E0101", f"{name} is not an ONNX model: it holds no graph")
    return proto


def _bad_text(message: Message) -> bytes | None:
    """A string in `message` that is not UTF-8, which protobuf hands out as bytes; None if there is none."""
    if isinstance(message, TensorProto):
        # Looking at the other fields would copy the data.
        texts = (message.name, *(text for entry in message.external_data for text in (entry.key, entry.value)))
        return next((text for text in texts if isinstance(text, bytes)), None)
    for field, value in message.ListFields():
        if field.name in _UNUSED:
            continue
        several = value if field.is_repeated else (value,)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in several:
                if (bad := _bad_text(inner)) is not None:
                    return bad
        elif field.type == FieldDescriptor.TYPE_STRING:
            for text in several:
                if isinstance(text, bytes):
                    return text
    return None
