"""What the reference evaluator of the `onnx` package computes as ONNX means it, in constants and in host calls.

It has one implementation of most operators, and takes the defaults of their attributes from the newest schema. Where
an older version of an operator means something else, it gives the newer one's results without a word.
"""

from __future__ import annotations

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute

#: Operators that it computes wrongly: MaxPool's indices, LRN's last channels, and the directions, clips and lengths
#: of sequences of recurrent layers, which it ignores.
_WRONG = frozenset({"GRU", "LRN", "LSTM", "MaxPool", "RNN"})

#: The version from which it computes operators as ONNX means them. Before, softmax and its kin took all axes from
#: their own on, Resize and Upsample other inputs, BatchNormalization is computed as in training, RoiAlign moved by half
#: a pixel, and GridSample's modes have names that it does not know.
_KNOWN_SINCE = {
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), 13),
    **dict.fromkeys(("Resize", "Upsample"), 11),
    "BatchNormalization": 14,
    "GridSample": 20,
    "RoiAlign": 16,
}

_GRID_SAMPLE_MODES = {"bilinear": "linear", "bicubic": "cubic"}


def known_since(domain: str, op_type: str) -> int | None:
    """The first version of an operator whose results are right, as far as it is implemented; None if none is."""
    if domain != "":
        return 1
    return None if op_type in _WRONG else _KNOWN_SINCE.get(op_type, 1)


def is_known(domain: str, op_type: str, version: int) -> bool:
    """Whether its results are those of this version, as far as the operator is implemented."""
    since = known_since(domain, op_type)
    return since is not None and since <= version


def restated(
    domain: str, op_type: str, version: int, attributes: dict[str, Attribute]
) -> tuple[int, dict[str, Attribute]] | None:
    """The version and attributes with which the evaluator computes an operator of `version` on the same operands.

    They are the given ones where it knows that version; None where no newer version says the same.
    """
    if is_known(domain, op_type, version):
        return version, attributes
    match op_type:
        case "RoiAlign":
            return 16, {**attributes, "coordinate_transformation_mode": StringAttr("output_half_pixel")}
        case "GridSample":
            mode = attributes.get("mode")
            name = mode.data if isinstance(mode, StringAttr) else "bilinear"
            return 20, {**attributes, "mode": StringAttr(_GRID_SAMPLE_MODES.get(name, name))}
        case _:
            return None
