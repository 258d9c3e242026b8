"""Fixtures for tests on the model corpus (tests/support/model_corpus.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import model_corpus
import pytest


@pytest.fixture(scope="session")
def corpus_model() -> Callable[[str], Path]:
    """`corpus_model(id)`: the path of a model, fetched on first use; skips if the registry cannot be reached."""
    return model_corpus.corpus_model


@pytest.fixture(scope="session")
def manifest_inputs() -> Callable[[str], dict[str, model_corpus.Array]]:
    """`manifest_inputs(id)`: the model's inputs by name, as the manifest binds them."""
    return model_corpus.manifest_inputs
