"""Train the bundled digits network and write digits.onnx and digits_test.npz beside this file.

    pip install -e '.[train,test]' && python -m vcc.compiler.demo.train_digits

The data are scikit-learn's `load_digits` (UCI, CC BY 4.0): 1797 images of 8x8 pixels with values 0..16, of which 360
are held out. Training is plain numpy (im2col, Adam) and takes a few seconds. ONNX Runtime finds 98.89 % of the
held-out images right, and 49 of the 50 bundled ones.
"""

# pyright: reportMissingImports=false
# scikit-learn is in the `train` extra only.
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

HELD_OUT = 360
BUNDLED = 50
EPOCHS = 20
BATCH = 64
LEARNING_RATE = 2e-3


def im2col(x: F32) -> F32:
    """The 3x3 neighbourhoods of f32[N,C,H,W], padded with one zero: f32[N,H,W,C*9]."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    n, c, h, w = x.shape
    return np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(n, h, w, c * 9)


def col2im(columns: F32, channels: int) -> F32:
    """The adjoint of `im2col`: sums f32[N,H,W,C*9] back into f32[N,C,H,W]."""
    n, h, w, _ = columns.shape
    taps = columns.reshape(n, h, w, channels, 3, 3).transpose(0, 3, 1, 2, 4, 5)
    padded = np.zeros((n, channels, h + 2, w + 2), np.float32)
    for i in range(3):
        for j in range(3):
            padded[:, :, i : i + h, j : j + w] += taps[..., i, j]
    return padded[:, :, 1:-1, 1:-1]


@dataclass
class Network:
    """conv 1->16, relu, conv 16->32, relu, maxpool 2x2, gemm 512->10; parameters in ONNX's layouts."""

    parameters: dict[str, F32]
    saved: dict[str, F32] = field(default_factory=dict)

    @staticmethod
    def random(rng: np.random.Generator) -> Network:
        def he(*shape: int) -> F32:
            fan_in = np.prod(shape[1:])
            return (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)

        weights = {"conv1.weight": he(16, 1, 3, 3), "conv2.weight": he(32, 16, 3, 3), "fc.weight": he(10, 512)}
        biases = {f"{name.split('.')[0]}.bias": np.zeros(w.shape[0], np.float32) for name, w in weights.items()}
        return Network(weights | biases)

    def _convolve(self, name: str, x: F32) -> F32:
        """A convolution and its ReLU: f32[N,C,H,W] -> f32[N,K,H,W]."""
        weight, bias = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]
        columns = im2col(x)
        y = np.maximum(columns @ weight.reshape(weight.shape[0], -1).T + bias, 0)
        self.saved |= {f"{name}.columns": columns, f"{name}.out": y}
        return y.transpose(0, 3, 1, 2)

    def _convolve_back(self, name: str, grad: F32) -> tuple[dict[str, F32], F32]:
        weight, columns = self.parameters[f"{name}.weight"], self.saved[f"{name}.columns"]
        outputs, inputs = weight.shape[:2]
        grad = grad.transpose(0, 2, 3, 1) * (self.saved[f"{name}.out"] > 0)
        flat = grad.reshape(-1, outputs)
        grads = {
            f"{name}.weight": (flat.T @ columns.reshape(len(flat), -1)).reshape(weight.shape),
            f"{name}.bias": flat.sum(0),
        }
        return grads, col2im(grad @ weight.reshape(outputs, -1), inputs)

    def forward(self, x: F32) -> F32:
        """Logits f32[N,10] of images f32[N,1,8,8]; keeps what `backward` needs."""
        y = self._convolve("conv2", self._convolve("conv1", x))
        n, c, h, w = y.shape
        windows = y.reshape(n, c, h // 2, 2, w // 2, 2)
        pooled = windows.max(axis=(3, 5))
        features = pooled.reshape(n, -1)
        self.saved |= {"windows": windows, "pooled": pooled, "features": features}
        return features @ self.parameters["fc.weight"].T + self.parameters["fc.bias"]

    def backward(self, grad: F32) -> dict[str, F32]:
        """The gradient of every parameter, given that of the logits f32[N,10]."""
        grads = {"fc.weight": grad.T @ self.saved["features"], "fc.bias": grad.sum(0)}
        windows, pooled = self.saved["windows"], self.saved["pooled"]
        mask = windows == pooled[:, :, :, None, :, None]
        share = (grad @ self.parameters["fc.weight"]).reshape(pooled.shape) / mask.sum(axis=(3, 5))
        spread = (mask * share[:, :, :, None, :, None]).astype(np.float32)
        n, c, h, _, w, _ = spread.shape
        conv2, grad = self._convolve_back("conv2", spread.reshape(n, c, 2 * h, 2 * w))
        conv1, _ = self._convolve_back("conv1", grad)
        return grads | conv2 | conv1


def softmax(logits: F32) -> F32:
    """Probabilities along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def train(network: Network, images: F32, labels: I64, rng: np.random.Generator) -> None:
    """Adam on the cross entropy; the learning rate falls to zero along a cosine."""
    first = {name: np.zeros_like(p) for name, p in network.parameters.items()}
    second = {name: np.zeros_like(p) for name, p in network.parameters.items()}
    steps, step = EPOCHS * (len(images) // BATCH), 0
    for epoch in range(EPOCHS):
        order = rng.permutation(len(images))
        losses: list[float] = []
        for start in range(0, len(images) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            probabilities = softmax(network.forward(images[chosen]))
            rows = np.arange(BATCH)
            losses.append(float(-np.log(probabilities[rows, labels[chosen]] + 1e-12).mean()))
            probabilities[rows, labels[chosen]] -= 1
            step += 1
            rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for name, grad in network.backward(probabilities / np.float32(BATCH)).items():
                first[name] += 0.1 * (grad - first[name])
                second[name] += 0.001 * (grad * grad - second[name])
                unbiased = first[name] / (1 - 0.9**step)
                scale = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
                network.parameters[name] -= (rate * unbiased / scale).astype(np.float32)
        print(f"epoch {epoch + 1:2}  loss {np.mean(losses):.4f}")


def export(network: Network) -> onnx.ModelProto:
    """The network as an ONNX model (opset 17), with a softmax at its end."""
    conv: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "conv1.weight", "conv1.bias"], ["conv1.out"], "conv1", **conv),
        helper.make_node("Relu", ["conv1.out"], ["relu1.out"], "relu1"),
        helper.make_node("Conv", ["relu1.out", "conv2.weight", "conv2.bias"], ["conv2.out"], "conv2", **conv),
        helper.make_node("Relu", ["conv2.out"], ["relu2.out"], "relu2"),
        helper.make_node("MaxPool", ["relu2.out"], ["pool.out"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pool.out"], ["flatten.out"], "flatten", axis=1),
        helper.make_node("Gemm", ["flatten.out", "fc.weight", "fc.bias"], ["logits"], "fc", transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], "softmax", axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(value, name) for name, value in network.parameters.items()],
    )
    model = helper.make_model(graph, producer_name="vcc", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Train, export, and print the accuracy that ONNX Runtime finds on the held-out images."""
    digits: Any = load_digits()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(digits.images))
    raw = digits.images[order].astype(np.uint8)[:, None]
    images, labels = raw.astype(np.float32) / np.float32(16), digits.target[order].astype(np.int64)
    network = Network.random(rng)
    train(network, images[HELD_OUT:], labels[HELD_OUT:], rng)

    folder = Path(__file__).resolve().parent
    onnx.save(export(network), folder / "digits.onnx")
    bundled = {"images": raw[:BUNDLED], "labels": labels[:BUNDLED].astype(np.uint8)}
    np.savez_compressed(folder / "digits_test.npz", **bundled)

    session = onnxruntime.InferenceSession(folder / "digits.onnx", providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(None, {"image": images[:HELD_OUT]})
    right = np.asarray(probabilities).argmax(axis=1) == labels[:HELD_OUT]
    print(f"{right.mean():.2%} of {HELD_OUT} held-out images, {right[:BUNDLED].sum()} of the {BUNDLED} bundled ones")


if __name__ == "__main__":
    main()
