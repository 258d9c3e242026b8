"""Random graphs, recurrences and convolutions against ONNX Runtime, natively on one to three threads.

VCC_FUZZ_EXAMPLES says how many graphs, and a fifth as many of the others, anew each time; without it the same 30 are
tried.
"""

from __future__ import annotations

import os

from conformance import NATIVE, TARGETS, Case, check
from divided import check_threads
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_graphs import graphs
from random_layers import recurrences, wide_convolutions

EXAMPLES = int(os.environ.get("VCC_FUZZ_EXAMPLES") or "30")
few = settings(max_examples=max(1, EXAMPLES // 5), phases=[Phase.explicit, Phase.generate])


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(case=graphs(), target=st.sampled_from(TARGETS), narrow=st.booleans())
def test_random_graph(case: Case, target: str, narrow: bool):
    check(case, target)
    if target == NATIVE:
        check_threads(case, target, narrow)


@settings(few)
@given(case=recurrences(), target=st.sampled_from((NATIVE, "host-avx512")), narrow=st.booleans())
def test_random_recurrences(case: Case, target: str, narrow: bool):
    check_threads(case, target, narrow)


@settings(few)
@given(case=wide_convolutions(), target=st.sampled_from((NATIVE, "host-avx512")), narrow=st.booleans())
def test_random_wide_convolutions(case: Case, target: str, narrow: bool):
    check_threads(case, target, narrow)
