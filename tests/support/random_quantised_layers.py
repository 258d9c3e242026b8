"""The layers that random quantised graphs consist of, and the graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import TensorProto
from random_quantised_graphs import RUNTIME, Maker, QuantisedGraph

#: A graph's values have at most so many elements, so that examples stay quick.
LARGEST = 6000
Layer = Callable[[Maker, str], "str | None"]


def window(maker: Maker, shape: tuple[int, ...], largest: int = 3, dilated: bool = True) -> dict[str, Any]:
    """Attributes of a window over the spatial axes of a tensor, which it fits into."""
    kernel, strides, pads, dilations = [], [], ([], []), []
    for size in shape[2:]:
        k = maker.integer(1, largest)
        low, high = (maker.integer(0, k - 1) for _ in range(2))
        k = min(k, size + low + high)
        widest = 1 if k == 1 else (size + low + high - 1) // (k - 1)
        kernel.append(k)
        pads[0].append(min(low, k - 1))
        pads[1].append(min(high, k - 1))
        strides.append(maker.integer(1, 2))
        dilations.append(min(widest, maker.pick((1, 1, 1, 2))) if dilated else 1)
    found = {"kernel_shape": kernel, "strides": strides, "pads": [*pads[0], *pads[1]]}
    fits = all(s + a + b > d * (k - 1) for s, a, b, d, k in zip(shape[2:], *pads, dilations, kernel, strict=True))
    if not fits:
        found["pads"], found["kernel_shape"], dilations = [0] * len(kernel) * 2, [1] * len(kernel), [1] * len(kernel)
    return found | ({"dilations": dilations} if dilated else {})


def filters(maker: Maker, shape: tuple[int, ...]) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The shape of a convolution's weights, plain, grouped or depthwise, and its attributes."""
    channels, attributes = shape[1], window(maker, shape)
    groups = [g for g in range(1, channels + 1) if channels % g == 0]
    group = maker.pick((1, 1, channels, maker.pick(groups)))
    count = maker.pick(maker.channels)
    count = max(1, count // group) * group
    return (count, channels // group, *attributes["kernel_shape"]), attributes | {"group": group}


def _spatial(maker: Maker, x: str) -> bool:
    return len(maker.shape(x)) in (3, 4)


def conv(maker: Maker, x: str) -> str | None:
    """DequantizeLinear-Conv."""
    if not _spatial(maker, x):
        return None
    shape, attributes = filters(maker, maker.shape(x))
    scaled, real = maker.bytes[x], maker.dequantise(x)
    w, by = maker.real_weights(shape, 0)
    inputs = [real, w, *([maker.bias(shape[0], scaled, by)] if maker.integer(0, 2) else [])]
    return maker.node("Conv", inputs, **attributes)


def matmul(maker: Maker, x: str) -> str | None:
    """DequantizeLinear-MatMul with weights, and a bias behind it."""
    shape = maker.shape(x)
    if len(shape) < 2:
        return None
    scaled, real = maker.bytes[x], maker.dequantise(x)
    columns = maker.pick(maker.channels)
    batch = shape[:1] if len(shape) == 3 and maker.seldom() else ()
    w, by = maker.real_weights((*batch, shape[-1], columns), -1 % (len(batch) + 2))
    y = maker.node("MatMul", [real, w])
    if maker.integer(0, 2):
        y = maker.node("Add", [y, maker.bias(columns, scaled, by if by is None or by.axis != 0 else None)])
    return y


def gemm(maker: Maker, x: str) -> str | None:
    """DequantizeLinear-Gemm."""
    shape = maker.shape(x)
    if len(shape) != 2:
        return None
    turned, columns = maker.integer(0, 1), maker.pick(maker.channels)
    scaled, real = maker.bytes[x], maker.dequantise(x)
    w, by = maker.real_weights((columns, shape[1]) if turned else (shape[1], columns), 1 - turned)
    inputs = [real, w, *([maker.bias(columns, scaled, by)] if maker.integer(0, 2) else [])]
    factors: dict[str, Any] = {}
    if maker.seldom():
        factors = {"alpha": maker.pick((0.5, 2.0)), "beta": maker.pick((1.0, 0.5))}
    return maker.node("Gemm", inputs, transB=turned, **factors)


def scores(maker: Maker, x: str) -> str | None:
    """A product of two computed tensors, as in attention: x with its own transpose, on bytes or on floats."""
    shape = maker.shape(x)
    if len(shape) < 2 or maker.bytes[x].axis is not None:
        return None
    perm = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
    if maker.integer(0, 1):
        other = maker.node("Transpose", [x], perm=perm)
        maker.bytes[other] = maker.bytes[x]
        other = maker.dequantise(other)
    else:
        other = maker.node("Transpose", [maker.dequantise(x)], perm=perm)
    return maker.node("MatMul", [maker.dequantise(x), other])


def pool(maker: Maker, x: str) -> str | None:
    """A pooling between DequantizeLinear and QuantizeLinear."""
    if not _spatial(maker, x):
        return None
    kind, real = maker.pick(("MaxPool", "AveragePool", "GlobalAveragePool")), maker.dequantise(x)
    if kind == "GlobalAveragePool":
        return maker.node(kind, [real])
    more: dict[str, Any] = {"count_include_pad": maker.integer(0, 1)} if kind == "AveragePool" else {}
    return maker.node(kind, [real], **window(maker, maker.shape(x), dilated=False), **more)


def elementwise(maker: Maker, x: str) -> str | None:
    """A sum, difference or product of two dequantised tensors, or of one and a constant."""
    alike = [name for name in maker.sources if maker.shape(name) == maker.shape(x)]
    kind, real = maker.pick(("Add", "Add", "Sub", "Mul")), maker.dequantise(x)
    if maker.integer(0, 3):
        return maker.node(kind, [real, maker.dequantise(maker.pick(alike))])
    last = maker.shape(x)[-1:]
    w, _ = maker.real_weights(last, 0) if last else (maker.constant(0.5), None)
    return maker.node(kind, [real, w])


def moved(maker: Maker, x: str) -> str | None:
    """A movement, on the bytes themselves or between DequantizeLinear and QuantizeLinear."""
    on_bytes = maker.bytes[x].axis is None and maker.integer(0, 1) == 1
    source, shape = x if on_bytes else maker.dequantise(x), maker.shape(x)
    kind = maker.pick(("Reshape", "Transpose", "Slice", "Split", "Concat", "MaxPool", "Resize"))
    if (kind in ("MaxPool", "Resize") and not _spatial(maker, x)) or (kind == "Split" and max(shape) < 2):
        kind = "Reshape"
    match kind:
        case "Transpose":
            y = maker.node(kind, [source], perm=maker.draw(st.permutations(range(len(shape)))))
        case "Slice":
            axis = maker.integer(0, len(shape) - 1)
            start, step = maker.integer(0, shape[axis] - 1), maker.integer(1, 2)
            bounds = [maker.constant([n], np.int64) for n in (start, shape[axis], axis, step)]
            y = maker.node(kind, [source, *bounds])
        case "Split":
            axis = maker.pick([axis for axis, size in enumerate(shape) if size > 1])
            first = maker.integer(1, shape[axis] - 1)
            sizes = maker.constant([first, shape[axis] - first], np.int64)
            y = maker.node(kind, [source, sizes], outputs=2, axis=axis)
        case "Concat":
            other = maker.pick(maker.like(x) or [x])
            parts = [source, other if on_bytes else maker.dequantise(other)]
            y = maker.node(kind, parts, axis=maker.integer(0, len(shape) - 1))
        case "MaxPool":
            y = maker.node(kind, [source], **window(maker, shape, dilated=False))
        case "Resize":
            modes: dict[str, Any] = {
                "mode": "nearest",
                "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "floor",
            }
            factors = [1, 1, *(maker.integer(1, 2) for _ in shape[2:])]
            y = maker.node(kind, [source, "", maker.constant(factors)], **modes)
        case _:
            y = maker.node("Reshape", [source, maker.constant(_reshaped(maker, shape), np.int64)])
    return maker.source(y, maker.bytes[x]) if on_bytes else y


def _reshaped(maker: Maker, shape: tuple[int, ...]) -> list[int]:
    cut = maker.integer(1, max(1, len(shape) - 1))
    flat = [int(np.prod(shape[:cut])), int(np.prod(shape[cut:]))]
    return maker.pick((flat, [1, *flat], [*shape[:-2], flat[0] * flat[1] // int(np.prod(shape[:-2]))]))


def function(maker: Maker, x: str) -> str:
    """A function of one quantised tensor, its gate quantised on the way if it has one."""
    real, gate = maker.dequantise(x), maker.pick(("Sigmoid", "HardSigmoid", "Tanh", "HardSwish", "LeakyRelu"))
    attributes: dict[str, Any] = {"HardSigmoid": {"alpha": 0.25, "beta": 0.5}, "LeakyRelu": {"alpha": 0.125}}.get(
        gate, {}
    )
    y = maker.node(gate, [real], **attributes)
    if maker.integer(0, 1):
        return y
    return maker.node("Mul", [maker.dequantise(x), maker.dequantise(maker.quantise(y))])


def _operands(maker: Maker, *names: str) -> list[str]:
    return [each for x in names for each in (x, maker.bytes[x].scale, maker.bytes[x].zero)]


def qlinear_elementwise(maker: Maker, x: str) -> str | None:
    """ONNX Runtime's operators on bytes of one dtype."""
    if maker.bytes[x].axis is not None:
        return None
    kind = maker.pick(("Add", "Mul", "Concat", "Sigmoid", "LeakyRelu", "AveragePool", "GlobalAveragePool"))
    if "Pool" in kind and len(maker.shape(x)) != 4:
        kind = "Sigmoid"
    attributes: dict[str, Any] = {}
    if kind == "LeakyRelu":
        attributes = {"alpha": 0.25}
    elif kind == "AveragePool":
        attributes = window(maker, maker.shape(x), dilated=False)
    elif kind == "Concat":
        attributes = {"axis": maker.integer(0, len(maker.shape(x)) - 1)}
    names = [x, maker.pick(maker.like(x))] if kind in ("Add", "Mul", "Concat") else [x]
    reach = maker.range_of(lambda: maker.node(kind, [maker.dequantise(name) for name in names], **attributes))
    by = maker.scaled(*reach, maker.values[x].dtype)
    places = [by.scale, by.zero]
    inputs = [*places, *_operands(maker, *names)] if kind == "Concat" else [*_operands(maker, *names), *places]
    return maker.source(maker.node(f"QLinear{kind}", inputs, domain=RUNTIME, **attributes), by)


def integer_product(maker: Maker, x: str) -> str | None:
    """MatMulInteger or ConvInteger, its sums as floats, scaled."""
    shape, scaled = maker.shape(x), maker.bytes[x]
    if scaled.axis is not None or len(shape) < 2:
        return None
    convolves = _spatial(maker, x) and maker.integer(0, 1) == 1
    attributes: dict[str, Any] = {}
    if convolves:
        filter_shape, attributes = filters(maker, shape)
        w, by = maker.weights(filter_shape, 0)
    else:
        w, by = maker.weights((shape[-1], maker.pick(maker.channels)), 1)
    inputs = [x, w, scaled.zero, by.zero]
    sums = maker.node("ConvInteger" if convolves else "MatMulInteger", inputs, **attributes)
    if maker.seldom():
        return None  # the sums are an output
    factor = maker.constant(2.0 ** -maker.integer(8, 12))
    real = maker.node("Mul", [maker.node("Cast", [sums], to=TensorProto.FLOAT), factor])
    return maker.node("Add", [real, maker.constant(0.25)]) if maker.seldom() else real


def qlinear_product(maker: Maker, x: str) -> str | None:
    """QLinearConv, QLinearMatMul, QGemm or MatMulIntegerToFloat."""
    shape, scaled = maker.shape(x), maker.bytes[x]
    if scaled.axis is not None or len(shape) < 2:
        return None
    if _spatial(maker, x) and maker.integer(0, 3):
        filter_shape, attributes = filters(maker, shape)
        w, by = maker.weights(filter_shape, 0)
        bias = [_sums_bias(maker, filter_shape[0])] if maker.integer(0, 1) else []
        inner, kind = "ConvInteger", "QLinearConv"
    else:
        w, by = maker.weights((shape[-1], maker.pick(maker.channels)), 1)
        attributes, bias = {}, []
        inner, kind = "MatMulInteger", maker.pick(("QLinearMatMul", "MatMulIntegerToFloat", "QGemm"))
    columns = maker.shape(w)[1]
    if kind == "MatMulIntegerToFloat":
        real_bias = [maker.constant(maker.random().integers(-64, 64, columns) / 64)] if maker.integer(0, 1) else []
        return maker.node(kind, [x, w, scaled.scale, by.scale, scaled.zero, by.zero, *real_bias], domain=RUNTIME)
    sums = maker.range_of(lambda: maker.node(inner, [x, w, scaled.zero, by.zero], **attributes))
    factor = float(maker.constants[scaled.scale]) * float(np.max(maker.constants[by.scale]))
    y = maker.scaled(factor * sums[0], factor * sums[1], maker.pick((np.uint8, np.int8)))
    inputs = _operands(maker, x, w)
    if kind == "QGemm" and len(shape) == 2:
        inputs.append(_sums_bias(maker, columns) if maker.integer(0, 1) else "")
        alpha = {"alpha": maker.pick((1.0, 0.5))} if maker.seldom() else {}
        return maker.source(maker.node(kind, [*inputs, y.scale, y.zero], domain=RUNTIME, **alpha), y)
    kind = "QLinearMatMul" if kind == "QGemm" else kind
    return maker.source(maker.node(kind, [*inputs, y.scale, y.zero, *bias], **attributes), y)


def _sums_bias(maker: Maker, count: int) -> str:
    return maker.constant(maker.random().integers(-3000, 3000, count), np.int32)


def dynamic(maker: Maker, x: str) -> str | None:
    """Dynamic quantisation of what x means, and a product."""
    real = maker.dequantise(x)
    shape, span = maker.shape(x), maker.values[real]
    if len(shape) < 2 or not span.low.any():
        return None
    columns = maker.pick(maker.channels)
    if maker.integer(0, 1):
        w, by = maker.weights((shape[-1], columns), 1)
        bias = [maker.constant(maker.random().integers(-64, 64, columns) / 64)] if maker.integer(0, 1) else []
        return maker.node("DynamicQuantizeMatMul", [real, w, by.scale, by.zero, *bias], domain=RUNTIME)
    y = maker.node("DynamicQuantizeLinear", [real], outputs=3)
    scale, zero = y[:-1] + "b", y[:-1] + "c"
    convolves = _spatial(maker, x) and maker.integer(0, 1) == 1
    if convolves:
        filter_shape, attributes = filters(maker, shape)
        w, by = maker.weights(filter_shape, 0)
        sums = maker.node("ConvInteger", [y, w, zero, by.zero], **attributes)
    else:
        w, by = maker.weights((shape[-1], columns), 1)
        sums = maker.node("MatMulInteger", [y, w, zero, by.zero])
    one = maker.constant(np.max(maker.constants[by.scale]))
    return maker.node("Mul", [maker.node("Cast", [sums], to=TensorProto.FLOAT), maker.node("Mul", [scale, one])])


#: Those that make floats, which may go on before they are quantised, and those that make bytes; some make either.
LAYERS: tuple[Layer, ...] = (
    *(conv, conv, conv, matmul, matmul, gemm, scores, pool, elementwise, elementwise, moved, moved, function),
    *(qlinear_elementwise, qlinear_elementwise, integer_product, qlinear_product, qlinear_product, dynamic),
)


def _after(maker: Maker, x: str) -> str:
    """Something more on a float before it is quantised."""
    kind = maker.pick(("Relu", "Clip", "LeakyRelu", "Sigmoid", "Relu", "Mul"))
    if kind == "Clip":
        return maker.node(kind, [x, maker.constant(0), maker.constant(6)])
    if kind == "Mul":
        return maker.node(kind, [x, maker.node("Sigmoid", [x])])
    attributes: dict[str, Any] = {"alpha": 0.125} if kind == "LeakyRelu" else {}
    return maker.node(kind, [x], **attributes)


def _step(maker: Maker) -> None:
    small = [name for name in maker.sources if maker.values[name].low.size <= LARGEST]
    x = maker.pick(small[-3:] or maker.sources[:1])
    y = maker.pick(LAYERS)(maker, x)
    if y is None or y in maker.bytes:
        return
    for _ in range(maker.pick((0, 0, 1, 1, 2))):
        y = _after(maker, y)
    if maker.integer(0, 7):
        maker.quantise(y)


@st.composite
def quantised_graphs(draw: Any) -> QuantisedGraph:
    """A graph of up to six layers on one input, in f32 or quantised already."""
    maker = Maker(draw, powers=draw(st.booleans()))
    shape = _first_shape(maker)
    rng = maker.random()
    if maker.integer(0, 2):
        steps = rng.integers(-256, 256, shape) / 128
        maker.quantise(maker.feed((steps if maker.powers else rng.uniform(-2, 2, shape)).astype(np.float32)))
    else:
        dtype = maker.pick((np.uint8, np.int8))
        x = maker.feed(rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True))
        maker.source(x, maker.scaled(-2, 2, dtype))
    for _ in range(maker.integer(1, 6)):
        _step(maker)
    used = {name for node in maker.nodes for name in node.input}
    outputs = [name for name in maker.made if name not in used or (name in maker.bytes and maker.seldom())]
    return maker.result(outputs)


def _first_shape(maker: Maker) -> tuple[int, ...]:
    rank = maker.pick((4, 4, 4, 3, 2))
    if rank == 4:
        return maker.integer(1, 2), maker.pick(maker.channels), maker.integer(2, 9), maker.integer(2, 9)
    if rank == 3:
        return maker.integer(1, 3), maker.pick(maker.channels), maker.pick((maker.integer(3, 40), 128))
    return maker.integer(1, 20), maker.pick((maker.integer(1, 70), 128, 257, 300))


#: Layers of one product, which `wide_quantised_layers` makes large.
PRODUCTS: tuple[Layer, ...] = (conv, matmul, gemm, integer_product, qlinear_product, qlinear_product, dynamic)


@st.composite
def wide_quantised_layers(draw: Any) -> QuantisedGraph:
    """One or two products of so many channels that their K takes several tiles, all of them exact."""
    maker = Maker(draw, powers=True, channels=(16, 31, 64, 100, 192))
    if maker.integer(0, 1):
        shape = (1, maker.pick((16, 48, 64, 96, 128, 160)), maker.integer(5, 16), maker.integer(5, 16))
        terms = 9 * 192
    else:
        shape = maker.integer(1, 40), maker.pick((64, 200, 768, 1030))
        terms = max(192, shape[1])
    # Sums of so many products fit the 24 bits of an f32.
    maker.largest = min(127, 2**24 // (255 * terms))
    maker.quantise(maker.feed((maker.random().integers(-256, 256, shape) / 128).astype(np.float32)))
    for _ in range(maker.integer(1, 2)):
        y = maker.pick(PRODUCTS)(maker, maker.sources[-1])
        if y is not None and y not in maker.bytes:
            maker.quantise(_after(maker, y) if maker.integer(0, 1) else y)
    if not maker.nodes[1:]:
        maker.dequantise(maker.sources[-1])
    used = {name for node in maker.nodes for name in node.input}
    return maker.result([name for name in maker.made if name not in used])
