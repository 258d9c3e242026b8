"""Random graphs against ONNX Runtime. VCC_FUZZ_EXAMPLES says how many (30 by default)."""

from __future__ import annotations

import os

from conformance import TARGETS, Case, check
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_graphs import graphs

EXAMPLES = int(os.environ.get("VCC_FUZZ_EXAMPLES", "30"))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(case=graphs(), target=st.sampled_from(TARGETS))
def test_random_graph(case: Case, target: str):
    check(case, target)
