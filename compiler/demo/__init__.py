"""The bundled model that `vcc demo` compiles: a small convolutional network for 8x8 images of handwritten digits.

`train_digits.py` made both files beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FOLDER = Path(__file__).resolve().parent


def model_path() -> Path:
    """The ONNX file: input `image` f32[N,1,8,8] with values in 0..1, output `probabilities` f32[N,10]."""
    return _FOLDER / "digits.onnx"


def test_images() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Fifty images the network was not trained on, f32[50,1,8,8] in 0..1, and the digits they show, i64[50]."""
    import numpy as np

    with np.load(_FOLDER / "digits_test.npz") as data:
        images: NDArray[np.uint8] = data["images"]
        labels: NDArray[np.uint8] = data["labels"]
    return images.astype(np.float32) / np.float32(16), labels.astype(np.int64)
