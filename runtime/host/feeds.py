"""What a caller passes in and gets out: inputs checked against the model, outputs fresh or the caller's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.diagnostics import Diagnostic, VccError, error, plural
from vcc.runtime.isa.dtypes import dtype_of
from vcc.runtime.isa.host import TensorSpec

Array = NDArray[Any]
Feeds = Mapping[str, Array] | Sequence[Array]
#: Bits of `ndarray.flags.num`: C-contiguous and aligned (numpy's NPY_ARRAY_CARRAY_RO).
_USABLE = 0x0001 | 0x0100
_WRITABLE = _USABLE | 0x0400


def bind_inputs(specs: Sequence[TensorSpec], feeds: Feeds) -> list[Array]:
    """One contiguous array per input, in the model's order. Raises VccError (E0105) listing all that do not match."""
    if not isinstance(feeds, Mapping):
        if not isinstance(feeds, list | tuple):
            sample = ", ".join(spec.name for spec in specs) or "x"
            raise error("E0105", f"inputs are a dict or a list of arrays, not {_called(feeds)}", help=f"[{sample}]")
        if len(feeds) != len(specs):
            count = plural(len(specs), "input")
            raise error("E0105", f"the model has {count} ({_names(specs)}), but {len(feeds)} were given")
        feeds = {spec.name: array for spec, array in zip(specs, feeds, strict=True)}
    problems: list[Diagnostic] = []
    known = {spec.name for spec in specs}
    for name in feeds:
        if name not in known:
            problems.append(Diagnostic("E0105", f"the model has no input '{name}'; it has {_names(specs)}"))
    arrays: list[Array] = []
    for spec in specs:
        if spec.name not in feeds:
            problems.append(Diagnostic("E0105", f"input '{spec.name}' ({describe(spec)}) was not given"))
            continue
        try:
            array = np.asarray(feeds[spec.name])
        except (ValueError, TypeError) as problem:
            problems.append(Diagnostic("E0105", f"input '{spec.name}' is {describe(spec)}, not an array: {problem}"))
            continue
        if not matches(spec, array):
            message = f"input '{spec.name}' is {describe(spec)}, but {_described(array)} was given"
            problems.append(Diagnostic("E0105", message, help=_remedy(spec, array)))
        usable = array.flags.c_contiguous and array.flags.aligned
        arrays.append(array if usable else np.require(array, requirements=["C", "A"]))
    if problems:
        raise VccError(problems)
    return arrays


def bind_outputs(specs: Sequence[TensorSpec], out: Sequence[Array] | None) -> list[Array]:
    """The arrays that a run writes: the caller's if given. Raises VccError (E0105) where one does not match."""
    if out is None:
        return [np.empty(spec.shape, spec.dtype.numpy) for spec in specs]
    if not isinstance(out, list | tuple):
        raise error("E0105", f"out is a list of arrays, one for each output, not {_called(out)}")
    if len(out) != len(specs):
        count = plural(len(specs), "output")
        raise error("E0105", f"the model has {count} ({_names(specs)}), but {len(out)} arrays were given")
    for spec, place in zip(specs, cast(Sequence[object], out), strict=True):
        if not isinstance(place, np.ndarray):
            raise error("E0105", f"output '{spec.name}' needs a numpy array, not {_called(place)}")
    for spec, array in zip(specs, out, strict=True):
        if not matches(spec, array):
            raise error("E0105", f"output '{spec.name}' is {describe(spec)}, but the array is {_described(array)}")
        if not (array.flags.c_contiguous and array.flags.aligned and array.flags.writeable):
            raise error("E0105", f"the array for output '{spec.name}' is not contiguous, aligned and writeable")
    for number, (spec, array) in enumerate(zip(specs, out, strict=True)):
        for other, earlier in zip(specs[:number], out[:number], strict=True):
            if np.may_share_memory(array, earlier):
                raise error("E0105", f"the arrays for outputs '{other.name}' and '{spec.name}' share memory")
    return list(out)


class Signature:
    """`bind_inputs` and `bind_outputs` of one model, quick where nothing is wrong: small models take microseconds."""

    def __init__(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]):
        self._inputs, self._outputs = inputs, outputs
        self._wanted = [(spec.name, np.dtype(spec.dtype.numpy), spec.shape) for spec in inputs]
        self._made = [(spec.shape, np.dtype(spec.dtype.numpy)) for spec in outputs]

    def inputs(self, feeds: Feeds) -> list[Array]:
        """As `bind_inputs`."""
        if type(feeds) is not dict or len(feeds) != len(self._wanted):
            return bind_inputs(self._inputs, feeds)
        arrays: list[Array] = []
        for name, dtype, shape in self._wanted:
            array = feeds.get(name)
            if type(array) is not np.ndarray or array.dtype is not dtype or array.shape != shape:
                return bind_inputs(self._inputs, feeds)
            if array.flags.num & _USABLE != _USABLE:
                return bind_inputs(self._inputs, feeds)
            arrays.append(array)
        return arrays

    def outputs(self, out: Sequence[Array] | None) -> list[Array]:
        """As `bind_outputs`."""
        if out is not None:
            return list(out) if self._usual(out) else bind_outputs(self._outputs, out)
        return [np.empty(shape, dtype) for shape, dtype in self._made]

    def _usual(self, out: Sequence[Array]) -> bool:
        """One array, which is as it must be; several might share memory."""
        if type(out) is not list or len(out) != 1 or len(self._made) != 1:
            return False
        (array,), ((shape, dtype),) = out, self._made
        return (
            type(array) is np.ndarray
            and array.dtype is dtype
            and array.shape == shape
            and array.flags.num & _WRITABLE == _WRITABLE
        )


def random_feeds(specs: Sequence[TensorSpec], seed: int, given: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """Arrays for all inputs that `given` lacks: floats of standard normal distribution, integers and booleans 0 or 1.

    Zero and one are valid as indices and masks more often than other integers are.
    """
    generator = np.random.default_rng(seed)
    feeds = dict(given or {})
    for spec in specs:
        if spec.name not in feeds:
            dtype = np.dtype(spec.dtype.numpy)
            if dtype.kind in "biu":
                values: Any = generator.integers(0, 2, spec.shape)
            else:
                values = generator.standard_normal(spec.shape)
            feeds[spec.name] = np.asarray(values).astype(dtype)
    return feeds


def matches(spec: TensorSpec, array: Array) -> bool:
    """Whether the array has exactly the tensor's dtype and shape."""
    return array.dtype == spec.dtype.numpy and array.shape == spec.shape


def describe(spec: TensorSpec) -> str:
    """A tensor's dtype and shape, such as f32[1,3,224,224]."""
    return f"{spec.dtype}[{','.join(map(str, spec.shape))}]"


def _described(array: Array) -> str:
    try:
        name = dtype_of(array.dtype).name
    except KeyError:
        name = str(array.dtype)
    return f"{name}[{','.join(map(str, array.shape))}]"


def _remedy(spec: TensorSpec, array: Array) -> str:
    """What to do about an array of another shape or dtype."""
    if array.shape != spec.shape:
        sizes = list(array.shape)
        word = f"--shape {spec.name}:{'x'.join(map(str, sizes))}"
        return f"compile the model for that shape: {word}, shapes={{...: {sizes}}}"
    name = np.dtype(spec.dtype.numpy).name
    return f"numpy.asarray(..., {'numpy' if hasattr(np, name) else 'ml_dtypes'}.{name}) converts it"


def _called(what: object) -> str:
    return f"an array {_described(what)}" if isinstance(what, np.ndarray) else f"a {type(what).__name__}"


def _names(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"'{spec.name}'" for spec in specs) or "none"
