"""Random quantised graphs against what ONNX says that they mean.

VCC_FUZZ_EXAMPLES says how many, anew each time; without it the same few are tried.
"""

from __future__ import annotations

import os

import numpy as np
import onnx.printer
from conformance import TARGETS, TINY, compile_model, run_image
from divided import any_cpu, divided_code
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from random_quantised_graphs import QuantisedGraph
from random_quantised_layers import quantised_graphs, wide_quantised_layers

from vcc.runtime.binary.image import Image
from vcc.runtime.isa.host import HostCall
from vcc.runtime.native.program import NativeProgram

EXAMPLES = int(os.environ.get("VCC_FUZZ_EXAMPLES") or "0")
#: Targets whose programs also run as machine code.
NATIVE = ("host-avx2", "host-avx512")
EVERY_TARGET = (*TARGETS, "host-avx512")


quick = settings(
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes, and graphs of half the size tell no more
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(quick, max_examples=EXAMPLES or 20)
@given(graph=quantised_graphs(), target=st.sampled_from(EVERY_TARGET), narrow=st.booleans())
def test_random_quantised_graph(graph: QuantisedGraph, target: str, narrow: bool):
    note(onnx.printer.to_text(graph.model.graph))
    image = compile_model(graph.model, target)
    called = {step.op_type for step in image.host.steps if isinstance(step, HostCall)}
    assert not called, f"{called} run on the host"
    actual = run_image(image, graph.feeds)
    _assert_meant(graph, actual, "interpreter")
    if target in NATIVE:
        _check_natively(graph, image, narrow)
    elif target == TINY:
        again = run_image(image, graph.feeds, order=1, cores=2, sanitize=True)
        for a, b in zip(again, actual, strict=True):
            np.testing.assert_array_equal(a, b, err_msg="another order")


@settings(quick, max_examples=max(1, EXAMPLES // 4) if EXAMPLES else 6)
@given(graph=wide_quantised_layers(), target=st.sampled_from(NATIVE), narrow=st.booleans())
def test_random_wide_quantised_layers(graph: QuantisedGraph, target: str, narrow: bool):
    note(onnx.printer.to_text(graph.model.graph)[:2000])
    _check_natively(graph, compile_model(graph.model, target), narrow)


def _check_natively(graph: QuantisedGraph, image: Image, narrow: bool) -> None:
    code = divided_code(image, any_cpu(narrow))
    for threads in (1, 2, 3):
        _assert_meant(graph, NativeProgram(image, threads, code).run(graph.feeds), f"native, {threads} threads")


def _assert_meant(graph: QuantisedGraph, actual: list[np.ndarray], engine: str) -> None:
    for (name, span), found in zip(graph.meaning.items(), actual, strict=True):
        assert found.shape == span.shape and found.dtype == span.dtype, name
        outside = span.outside(found)
        if outside.any():
            first = tuple(np.argwhere(outside)[0])
            node = next(node for node in graph.model.graph.node if name in node.output)
            raise AssertionError(
                f"{engine}: {outside.sum()} of {outside.size} elements of {name} ({node.op_type}); at {first} "
                f"{found[first]}, not {span.low[first]}..{span.high[first]}"
            )
