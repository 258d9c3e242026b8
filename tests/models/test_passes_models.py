"""Usual networks (detectors, OCR, audio, transformers) compile wholly into kernels and match, on every engine.

`make test` runs the corpus models under 8 MB. With VCC_ALL_MODELS set, as in `make test-models`, larger ones run too,
and the exported transformers in VCC_EXPORTED_MODELS (see tests/models/README.md).
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import model_corpus
import onnx
import pytest
from accuracy import check_accuracy
from exported_models import exported_models, transformer_inputs
from numpy.typing import NDArray

from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options
from vcc.runtime.binary.image import Image
from vcc.runtime.isa.host import HostCall
from vcc.runtime.session import Program

Feeds = dict[str, NDArray[Any]]

CORPUS = (
    "ppocr-cls-v2", "ppocrv4-det", "ppocrv4-rec", "centerface", "g2pid-bert", "attacut-sc", "deepcut", "magika-v3_3",
    "basic-pitch-nmp", "swift-f0", "aecmos-a", "nsnet2-16k", "silero-v6-ifless",
)  # fmt: skip
LARGEST_IN_CI = 8e6
ALL = bool(os.environ.get("VCC_ALL_MODELS"))
SMALL = [id for id in CORPUS if ALL or model_corpus.manifest()[id]["size"] < LARGEST_IN_CI]
TRANSFORMERS = exported_models() if ALL else []


def check(path: Path, feeds: Feeds, target: str) -> None:
    """Compile a model and compare both engines' results."""
    image = compiled(path, target, tuple((name, array.shape) for name, array in feeds.items()))
    assert not [step.op_type for step in image.host.steps if isinstance(step, HostCall)]
    assert image.lower_bound <= image.host.arena_bytes <= 1.02 * image.lower_bound
    model = onnx.load(path)
    for engine in ("interpreter", "native"):
        check_accuracy(model, feeds, Program(image).run(feeds, engine=engine))


@cache
def compiled(path: Path, target: str, shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> Image:
    """The image of a model."""
    return Compilation.from_model(path, Options(target=target, shapes=dict(shapes))).encode()


@pytest.mark.parametrize("target", ["vn1", "host"])
@pytest.mark.parametrize("model_id", SMALL)
def test_corpus_models_are_kernels_alone_and_match(model_id: str, target: str):
    check(model_corpus.corpus_model(model_id), model_corpus.manifest_inputs(model_id), target)


if ALL:

    @pytest.mark.parametrize("target", ["vn1", "host"])
    @pytest.mark.parametrize("path", TRANSFORMERS, ids=lambda path: path.stem)
    def test_exported_transformers_are_kernels_alone_and_match(path: Path, target: str):
        check(path, transformer_inputs(path), target)
