#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the small ONNX files of Keras networks, under tests/fixtures/onnx.

    onnx_files_keras.py tf2onnx         needs tensorflow and tf2onnx
    onnx_files_keras.py tflite2onnx     needs tensorflow and tflite2onnx: the files of TensorFlow Lite in between

Weights are drawn, seed 0; another version of these may write other files.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from onnx_files import Code, File, write

K, L = tf.keras, tf.keras.layers
CLASSES = 5


def ended(a: Any) -> Any:
    """The mean over all places, and a dense layer."""
    return L.Dense(CLASSES)(L.GlobalAveragePooling2D()(a))


def keras_order(x: Any) -> Any:
    """Batch norm behind relu."""
    a = L.BatchNormalization()(L.ReLU()(L.Conv2D(6, 3, padding="same")(x)))
    return ended(L.Dropout(0.5)(L.BatchNormalization()(L.Conv2D(8, 3, padding="same", activation="relu")(a))))


def rescaling(x: Any) -> Any:
    """A rescaling layer, pads before convolutions, as MobileNet of Keras has them."""
    a = L.ZeroPadding2D(((0, 1), (0, 1)))(L.Rescaling(2.0, -1.0)(x))
    a = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(6, 3, strides=2, use_bias=False)(a)))
    a = L.ReLU(6.0)(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", use_bias=False)(a)))
    return ended(L.Conv2D(8, 1, activation="relu")(a))


def averaged(x: Any) -> Any:
    """An average pool as large as the map, flattened."""
    a = L.Conv2D(6, 3, padding="same", activation="relu")(x)
    return L.Dense(CLASSES)(L.Flatten()(L.AveragePooling2D(8)(a)))


def residual(x: Any) -> Any:
    """A block of a ResNet, strided, as MLPerf Tiny has it."""
    a = L.Activation("relu")(L.BatchNormalization()(L.Conv2D(6, 3, padding="same")(x)))
    b = L.Activation("relu")(L.BatchNormalization()(L.Conv2D(8, 3, strides=2, padding="same")(a)))
    b = L.BatchNormalization()(L.Conv2D(8, 3, padding="same")(b))
    a = L.Activation("relu")(L.add([b, L.Conv2D(8, 1, strides=2, padding="same")(a)]))
    return L.Dense(CLASSES, activation="softmax")(L.Flatten()(L.AveragePooling2D(4)(a)))


def flattened(x: Any) -> Any:
    """A map flattened, channels last, before dense layers."""
    a = L.MaxPooling2D()(L.Conv2D(4, 3, padding="same", activation="relu")(x))
    return L.Dense(CLASSES)(L.Dense(12, activation="relu")(L.Flatten()(a)))


def depths(x: Any) -> Any:
    """Space to depth and back."""
    a = L.ReLU()(L.Conv2D(8, 1)(L.Lambda(lambda v: tf.nn.space_to_depth(v, 2))(x)))
    return ended(L.Conv2D(6, 3, activation="relu")(L.Lambda(lambda v: tf.nn.depth_to_space(v, 2))(a)))


def twice(a: Any) -> Any:
    """Nearest upsampling, by the operator that Keras 2 had for it."""
    return L.Lambda(lambda v: tf.compat.v1.image.resize_nearest_neighbor(v, [2 * n for n in v.shape[1:3]]))(a)


def larger(x: Any) -> Any:
    """A transposed convolution, nearest upsampling, a crop."""
    a = L.MaxPooling2D()(L.Conv2D(4, 3, padding="same")(x))
    a = L.MaxPooling2D()(L.ReLU()(L.Conv2DTranspose(6, 3, strides=2, padding="same")(a)))
    return ended(L.Conv2D(6, 3, activation="relu")(L.Cropping2D(((1, 0), (0, 2)))(twice(a))))


def slices(x: Any) -> Any:
    """A split, strided slices, a concat, LeakyReLU."""
    a = L.Conv2D(6, 3, padding="same", activation="relu")(x)
    one, other = L.Lambda(lambda v: v[:, 1:, ::2, :4])(a), L.Lambda(lambda v: v[:, :7, 1::2, 2:])(a)
    a = L.LeakyReLU(negative_slope=0.25)(L.Conv2D(6, 1)(L.concatenate([one, other])))
    return ended(a)


def repeated(x: Any) -> Any:
    """A mean image taken away, nearest upsampling by the layer for it, which Keras 3 spells as a repeat."""
    mean = np.random.default_rng(0).uniform(0, 1, (8, 8, 3)).astype(np.float32)
    a = L.Conv2D(4, 3, strides=2, padding="same", activation="relu")(L.Lambda(lambda v: v - mean)(x))
    return ended(L.Conv2D(6, 3, activation="relu")(L.UpSampling2D((2, 3))(a)))


def segmentation(x: Any) -> Any:
    """A map of classes, channels last."""
    a = L.MaxPooling2D()(L.Conv2D(6, 3, padding="same", activation="relu")(x))
    return L.Conv2D(3, 1)(twice(L.Conv2D(6, 3, padding="same", activation="relu")(a)))


def small_map(x: Any) -> Any:
    """A map of classes, of half the size."""
    return L.Conv2D(3, 1)(L.MaxPooling2D()(L.Conv2D(6, 3, padding="same", activation="relu")(x)))


def two(x: Any) -> Any:
    """Classes, and one number."""
    a = L.Conv2D(6, 3, padding="same", activation="relu")(x)
    a = L.GlobalAveragePooling2D()(a)
    return [L.Dense(CLASSES, name="classes")(a), L.Dense(1, name="age")(a)]


def one_logit(x: Any) -> Any:
    """A binary classifier with its final sigmoid."""
    a = L.GlobalMaxPooling2D()(L.Conv2D(6, 3, padding="same", activation="relu")(x))
    return L.Dense(1, activation="sigmoid")(a)


def fake_quantised(x: Any) -> Any:
    """FakeQuantWithMinMaxArgs of activations, 8 bits (tf2onnx takes no fewer), weights of multiples of 1/16."""

    def coded(high: float) -> Any:
        return L.Lambda(lambda v: tf.quantization.fake_quant_with_min_max_args(v, 0.0, high))

    a = coded(255 / 64)(L.Conv2D(6, 3, padding="same", activation="relu")(x))
    a = coded(255 / 32)(L.Conv2D(6, 3, strides=2, padding="same", activation="relu")(a))
    return ended(a)


DYADIC = {"scale": 1 / 16, "max_code": 15}
TF2ONNX: dict[str, tuple[Any, ...]] = {
    "nothing_extra": (keras_order, rescaling, averaged, residual),
    "linear_maps": (flattened, depths, larger, repeated, slices),
    "outputs": (segmentation, two, one_logit),
    "few_bits": (fake_quantised,),
}
OPSETS = (9, 11, 13, 15, 18)
LITE: dict[str, tuple[Any, ...]] = {
    "nothing_extra": (keras_order, rescaling),
    "linear_maps": (flattened,),
    "outputs": (small_map,),
}


def drawn(form: Any) -> Any:
    """A network with weights as Keras draws them, seed 0, biases and batch norms with drawn numbers."""
    K.utils.set_random_seed(0)
    x = K.Input((8, 8, 3), name="image")
    model, draw = K.Model(x, form(x), name=form.__name__), np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            count = layer.get_weights()[0].size
            ends = ((0.5, 1.5), (-0.2, 0.2), (-0.2, 0.2), (0.5, 2.0))
            layer.set_weights([draw.uniform(*end, count) for end in ends])
        elif weights := layer.get_weights():
            weights[1:] = [draw.uniform(-0.25, 0.25, bias.shape) for bias in weights[1:]]
            layer.set_weights([np.rint(w * 16) / 16 for w in weights] if form is fake_quantised else weights)
    return model


def by_tf2onnx(form: Any, opset: int = 15, **given: Any) -> Any:
    """The model of a network as tf2onnx writes it."""
    import tf2onnx

    made = drawn(form)
    signature = [tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")]
    function = tf.function(lambda image: made(image, training=False), input_signature=signature)
    model, _ = tf2onnx.convert.from_function(function, signature, opset=opset, **given)
    return model


def by_tflite2onnx(form: Any) -> Any:
    """The model of a network that was made a file of TensorFlow Lite as tflite2onnx writes it."""
    import tflite2onnx

    made = drawn(form)
    signature = [tf.TensorSpec((1, 8, 8, 3), tf.float32, name="image")]
    function = tf.function(lambda image: made(image, training=False), input_signature=signature)
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    with tempfile.TemporaryDirectory() as folder:
        lite, path = Path(folder, "model.tflite"), Path(folder, "model.onnx")
        lite.write_bytes(converter.convert())
        tflite2onnx.convert(str(lite), str(path))
        return onnx.load(path)


def codes_of(model: Any) -> list[Code]:
    """The integers that quantisers of activations give, in the order of the model."""
    made = {name for node in model.graph.node for name in node.output}
    return [Code(n.output[0]) for n in model.graph.node if n.op_type == "QuantizeLinear" and n.input[0] in made]


def main() -> None:
    """Write the files of one exporter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exporter", choices=("tf2onnx", "tflite2onnx"))
    exporter = parser.parse_args().exporter
    made, groups = (by_tf2onnx, TF2ONNX) if exporter == "tf2onnx" else (by_tflite2onnx, LITE)
    files = []
    for group, forms in groups.items():
        for form in forms:
            model, few = made(form), group == "few_bits"
            codes = codes_of(model) if few else ()
            files.append(File(group, form.__name__, model, form.__doc__, DYADIC if few else {}, codes))
    if exporter == "tf2onnx":
        files += [
            File("opsets", f"opset_{opset}", by_tf2onnx(rescaling, opset), rescaling.__doc__ or "") for opset in OPSETS
        ]
        first = by_tf2onnx(residual, inputs_as_nchw=["image"])
        files.append(File("nothing_extra", "channels_first", first, "A block of a ResNet, its input turned."))
    versions = f"tensorflow {tf.__version__}, {exporter} {importlib.metadata.version(exporter)}"
    write(exporter, versions, files)


if __name__ == "__main__":
    main()
