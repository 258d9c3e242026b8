"""ONNX Runtime's session, on vcc: `InferenceSession(path).run(None, feeds)` compiles .onnx and loads .vbin."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from vcc.compiler.api import compile_program
from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.host import TensorSpec
from vcc.runtime.session import Program, load

Array = NDArray[Any]

#: Programs for different shapes that a session keeps.
MOST_SHAPES = 16
#: ONNX Runtime's words for the element types whose numpy names differ.
_TYPE_WORDS = {"float32": "float", "float64": "double"}


@dataclass(frozen=True)
class NodeArg:
    """A model's input or output. `shape` has an integer or a dimension's name (None if it has none) per axis."""

    name: str
    shape: list[int | str | None]
    type: str


class InferenceSession:
    """A model with ONNX Runtime's methods. Sizes that the model leaves open are compiled for when first fed.

    That takes a second or so for each new set of shapes; the programs of the `MOST_SHAPES` used last are kept, each
    with weights of its own.
    Session options and providers are taken and ignored, with one warning each. The options of compilation are those of
    `vcc.compile`; inputs that are given `values` become constants, and are no inputs of the session.
    """

    def __init__(
        self,
        path_or_bytes: str | Path | bytes,
        sess_options: Any = None,
        providers: Sequence[Any] | None = None,
        provider_options: Any = None,
        *,
        target: str | Path = "host",
        host_ops: str = "allow",
        values: Mapping[str, Any] | None = None,
        winograd: bool = True,
    ):
        """Raises `VccError` if the model cannot be read or, where its sizes are known, compiled.

        E0202 also for options of compilation beside a .vbin, which is compiled already.
        """
        for word, given in (
            ("sess_options", sess_options),
            ("providers", providers),
            ("provider_options", provider_options),
        ):
            if given is not None:
                warnings.warn(f"vcc.InferenceSession ignores {word}", stacklevel=2)
        self._model = path_or_bytes
        self._options = Options(str(target), host_ops=host_ops, values=dict(values or {}), winograd=winograd)
        self._programs: dict[tuple[tuple[int, ...], ...], Program] = {}
        self._compiling, self._looking = threading.Lock(), threading.Lock()
        self._fixed: Program | None = None
        if isinstance(path_or_bytes, str | Path) and Path(path_or_bytes).suffix == ".vbin":
            if self._options != Options():
                reason = f"options of compilation are for models, but {path_or_bytes} is compiled already"
                raise error("E0202", reason, help="compile the model anew")
            self._fixed = load(path_or_bytes)
            self._inputs = [_arg_of(spec) for spec in self._fixed.inputs]
            self._outputs = [_arg_of(spec) for spec in self._fixed.outputs]
            return
        self._inputs, self._outputs, closed = _signature(path_or_bytes, self._options.values)
        if closed:
            self._fixed = self._compile({})

    def get_inputs(self) -> list[NodeArg]:
        """The model's inputs."""
        return list(self._inputs)

    def get_outputs(self) -> list[NodeArg]:
        """The model's outputs."""
        return list(self._outputs)

    def get_providers(self) -> list[str]:
        """The one provider there is."""
        return ["VccExecutionProvider"]

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: Any = None,
        *,
        out: Sequence[Array] | None = None,
    ) -> list[Array]:
        """The named outputs (None or none: all of them, in the model's order), written to the arrays `out` if given.

        Several threads may call this at once. Raises `VccError` E0105 for unsuitable feeds and arrays.
        """
        if run_options is not None:
            warnings.warn("vcc.InferenceSession ignores run_options", stacklevel=2)
        if not output_names and out is None and self._fixed is not None:
            return self._fixed.run(input_feed)
        if not isinstance(cast(object, input_feed), Mapping):
            raise error("E0105", f"input_feed is a dict of arrays by name, not a {type(input_feed).__name__}")
        feeds = {name: _array(name, given) for name, given in input_feed.items()}
        known = [each.name for each in self._outputs]
        wanted = list(output_names) if output_names else known
        if unknown := [name for name in wanted if name not in known]:
            raise error("E0105", f"the model has no output '{unknown[0]}'; it has {', '.join(known)}")
        program = self._program(feeds)
        given = None if out is None else self._all_outputs(program, wanted, out)
        results = dict(zip(known, program.run(feeds, out=given), strict=True))
        return [results[name] for name in wanted]

    @staticmethod
    def _all_outputs(program: Program, wanted: Sequence[str], out: Sequence[Array]) -> list[Array]:
        """The arrays for the wanted outputs, and fresh ones for the others."""
        if len(out) != len(wanted):
            raise error("E0105", f"{len(wanted)} outputs are wanted, but {len(out)} arrays were given")
        given = dict(zip(wanted, out, strict=True))
        if len(given) != len(wanted):
            raise error("E0105", "an output that has an array of the caller's is wanted twice")
        return [
            given[spec.name] if spec.name in given else np.empty(spec.shape, spec.dtype.numpy)
            for spec in program.outputs
        ]

    def _program(self, feeds: Mapping[str, Array]) -> Program:
        if self._fixed is not None:
            return self._fixed
        missing = [each.name for each in self._inputs if each.name not in feeds]
        if missing:
            raise error("E0105", f"input '{missing[0]}' was not given")
        key = tuple(feeds[each.name].shape for each in self._inputs)
        if (found := self._compiled(key)) is not None:
            return found
        with self._compiling:  # which others that have their program do not wait for
            if (found := self._compiled(key)) is None:
                found = self._compile({name: array.shape for name, array in feeds.items()})
                with self._looking:
                    self._programs[key] = found
                    if len(self._programs) > MOST_SHAPES:
                        del self._programs[next(iter(self._programs))]
            return found

    def _compiled(self, key: tuple[tuple[int, ...], ...]) -> Program | None:
        """The program for inputs of those shapes, which is now the one used last."""
        with self._looking:
            found = self._programs.pop(key, None)
            if found is not None:
                self._programs[key] = found
            return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_compiling", "_looking")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _compiling=threading.Lock(), _looking=threading.Lock())

    def _compile(self, shapes: Mapping[str, Sequence[int]]) -> Program:
        return compile_program(Compilation.from_model(self._model, replace(self._options, shapes=dict(shapes))))


def _signature(model: str | Path | bytes, values: Mapping[str, Any]) -> tuple[list[NodeArg], list[NodeArg], bool]:
    """The inputs but for those that have values, the outputs, and whether the model says all sizes of all inputs."""
    from vcc.compiler.frontend.freeze import frozen_inputs
    from vcc.compiler.frontend.read import read_model

    graph = read_model(model).proto.graph
    frozen = frozen_inputs({each.name: each.type for each in graph.input}, values)
    constants = {each.name for each in graph.initializer} | {each.values.name for each in graph.sparse_initializer}
    needed = [each for each in graph.input if each.name not in constants | frozen.keys()]
    inputs = [_arg(each) for each in needed]
    ranked = all(each.type.tensor_type.HasField("shape") for each in needed)
    closed = ranked and all(isinstance(size, int) for each in inputs for size in each.shape)
    return inputs, [_arg(each) for each in graph.output], closed


def _array(name: str, given: Any) -> Array:
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as problem:
        raise error("E0105", f"input '{name}' is not an array: {problem}") from problem


def _arg(info: Any) -> NodeArg:
    from onnx.helper import tensor_dtype_to_np_dtype

    tensor = info.type.tensor_type
    dims: list[int | str | None] = [
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim
    ]
    try:
        name = np.dtype(tensor_dtype_to_np_dtype(tensor.elem_type)).name
    except (KeyError, ValueError):
        raise error("E0102", f"'{info.name}' is not a tensor of a known dtype") from None
    return NodeArg(info.name, dims, _type_text(name))


def _arg_of(spec: TensorSpec) -> NodeArg:
    return NodeArg(spec.name, list(spec.shape), _type_text(np.dtype(spec.dtype.numpy).name))


def _type_text(name: str) -> str:
    return f"tensor({_TYPE_WORDS.get(name, name)})"
