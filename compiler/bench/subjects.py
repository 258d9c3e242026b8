"""From an ONNX model or a .vbin to what engines load: files in a folder, inputs, and the work of one run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from vcc.compiler.bench.engines.interface import Subject
from vcc.compiler.bench.work import count_macs
from vcc.compiler.compilation import Compilation
from vcc.compiler.frontend.freeze import frozen_inputs
from vcc.compiler.options import Options
from vcc.runtime.binary.writer import save
from vcc.runtime.diagnostics import error
from vcc.runtime.host.feeds import bind_inputs, random_feeds
from vcc.runtime.isa.host import HostCall

if TYPE_CHECKING:
    from onnx import ModelProto

    from vcc.runtime.binary.image import Image

Array = NDArray[Any]

#: Above this, ONNX files keep their weights in a file beside them.
MAX_PROTOBUF = 2_000_000_000


@dataclass(frozen=True)
class Prepared:
    """A subject and what is known of it.

    `macs` are the multiply-adds of a run: those of the model's operators by definition (`counted` is "model") or, of a
    .vbin, those that its instructions execute ("program"); 0 where they cannot be counted. `compile_s` is None for
    a .vbin. `launches` and `host_calls` are the steps of its host program.
    """

    subject: Subject
    macs: int
    counted: str
    compile_s: float | None
    launches: int
    host_calls: int


def prepare(
    source: Path | ModelProto,
    folder: Path,
    name: str,
    feeds: Mapping[str, Array],
    seed: int = 0,
    options: Options | None = None,
    bound: bool = False,
) -> Prepared:
    """Compile an ONNX model, and write what engines load to `folder`.

    Inputs that `feeds` lacks are random, open dimensions have the sizes of those it has. Raises as the compiler does.
    """
    import onnx

    given = {name: list(array.shape) for name, array in feeds.items()}
    options = options or Options()
    options = replace(options, shapes={**given, **options.shapes})
    began = time.perf_counter()
    compilation = Compilation.from_model(source, options)
    image = compilation.encode()
    compile_s = time.perf_counter() - began
    model = onnx.load(source) if isinstance(source, Path) else source
    frozen = frozen_inputs({value.name: value.type for value in model.graph.input}, options.values)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in frozen.items())
    subject = _subject(image, folder, name, feeds, seed, bound)
    work = compilation.work
    macs = work.machine_macs + work.host_macs if work is not None else 0
    path = _write_model(model, subject.feeds, folder)
    return _prepared(replace(subject, model=path), image, macs, "model", compile_s)


def prepare_binary(
    image: Image,
    folder: Path,
    name: str,
    feeds: Mapping[str, Array],
    seed: int = 0,
    model: Path | None = None,
) -> Prepared:
    """The same for a verified image; `model` is what it was compiled from, without which no other engine can run."""
    import onnx

    subject = _subject(image, folder, name, feeds, seed, False)
    if model is not None:
        proto = onnx.load(model)
        _check_inputs(proto, subject.feeds, model)
        subject = replace(subject, model=_write_model(proto, subject.feeds, folder))
    return _prepared(subject, image, count_macs(image), "program", None)


def _subject(image: Image, folder: Path, name: str, feeds: Mapping[str, Array], seed: int, bound: bool) -> Subject:
    inputs = random_feeds(image.host.inputs, seed, feeds)
    bind_inputs(image.host.inputs, inputs)
    inputs = {spec.name: inputs[spec.name] for spec in image.host.inputs}  # in the model's order
    save(image, folder / "model.vbin")
    return Subject(name, folder / "model.vbin", inputs, outputs=image.host.outputs if bound else None)


def _prepared(subject: Subject, image: Image, macs: int, counted: str, compile_s: float | None) -> Prepared:
    calls = sum(isinstance(step, HostCall) for step in image.host.steps)
    return Prepared(subject, macs, counted, compile_s, len(image.host.steps) - calls, calls)


def _write_model(model: ModelProto, feeds: Mapping[str, Array], folder: Path) -> Path:
    """The model as every engine gets it: initialisers are no inputs, and inputs have the sizes of the feeds.

    Shapes of other values are left out: they are those of open dimensions, or wrong, and all engines infer them.
    """
    import onnx

    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:], model.graph.value_info[:]
    model.graph.input.extend(inputs)
    for value in model.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, feeds[value.name].shape, strict=False):
            dim.dim_value = size
    for value in model.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()
    path = folder / "model.onnx"
    onnx.save(model, path, save_as_external_data=model.ByteSize() > MAX_PROTOBUF)
    return path


def _check_inputs(model: ModelProto, feeds: Mapping[str, Array], path: Path) -> None:
    constants = {tensor.name for tensor in model.graph.initializer}
    want = sorted({value.name for value in model.graph.input} - constants)
    if want != sorted(feeds):
        found = f"{path} has the inputs {_names(want)}, the .vbin has {_names(sorted(feeds))}"
        raise error("E0105", found, help="was it compiled from this model?")


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
