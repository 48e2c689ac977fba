"""Trains a small network on the features of TensorFlow's micro front end and writes it as an int8 .tflite, all by TensorFlow (tensorflow-cpu==2.16.2).

    python3 micro.py --data spoken/known --out micro.tflite

DATA has train/ and test/ with class folders of .wav (one channel, 16 bits, one rate). The network is fed with features / 25.6, as `micro_speech` is.
"""
import argparse
import wave
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.lite.experimental.microfrontend.python.ops import audio_microfrontend_op as frontend
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2 as frozen

FRAMES, CHANNELS = 32, 40


def features(path):
    with wave.open(str(path)) as w:
        rate, sound = w.getframerate(), np.frombuffer(w.readframes(w.getnframes()), "<i2")
    found = frontend.audio_microfrontend(
        tf.constant(sound), sample_rate=rate, window_size=30, window_step=20, num_channels=CHANNELS,
        upper_band_limit=min(7500.0, rate * 15 // 32), lower_band_limit=125.0, enable_pcan=True,
    ).numpy()
    found = found[:FRAMES]
    return np.concatenate([found, np.repeat(found[-1:], FRAMES - len(found), 0)]) / 25.6


def read(folder):
    paths = sorted(Path(folder).glob("*/*.wav"))
    x = np.stack([features(path) for path in paths]).astype(np.float32)[..., None]
    return x, np.array([int(path.parent.name) for path in paths])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--epochs", type=int, default=40)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    tf.keras.utils.set_random_seed(a.seed)
    (x, y), (test_x, test_y) = read(f"{a.data}/train"), read(f"{a.data}/test")
    layers = tf.keras.layers
    net = tf.keras.Sequential([layers.Input((FRAMES, CHANNELS, 1))])
    for filters in (16, 32, 48):
        net.add(layers.Conv2D(filters, 3, 2, "same", use_bias=False))
        net.add(layers.BatchNormalization())
        net.add(layers.ReLU())
    net.add(layers.GlobalAveragePooling2D())
    net.add(layers.Dense(10, "softmax"))
    rate = tf.keras.optimizers.schedules.CosineDecay(2e-3, a.epochs * (len(x) // 32))
    net.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(x, y, 32, a.epochs, verbose=0)
    print(f"float: {100 * net.evaluate(test_x, test_y, verbose=0)[1]:.1f} %")
    # A batch of one, so that shapes are known.
    one = tf.function(lambda x: net(x, training=False), input_signature=[tf.TensorSpec((1, FRAMES, CHANNELS, 1))])
    to = tf.lite.TFLiteConverter.from_concrete_functions([frozen(one.get_concrete_function())])
    to.optimizations = [tf.lite.Optimize.DEFAULT]
    to.representative_dataset = lambda: ([sample[None]] for sample in x[::7])
    to.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    to.inference_input_type = to.inference_output_type = tf.int8
    Path(a.out).write_bytes(to.convert())
    lite = tf.lite.Interpreter(a.out)
    lite.allocate_tensors()
    into, out = lite.get_input_details()[0], lite.get_output_details()[0]["index"]
    scale, zero = into["quantization"]
    right = 0
    for sample, label in zip(test_x, test_y):
        lite.set_tensor(into["index"], np.clip(np.round(sample / scale) + zero, -128, 127).astype(np.int8)[None])
        lite.invoke()
        right += lite.get_tensor(out)[0].argmax() == label
    print(f"int8: {100 * right / len(test_y):.1f} %, input scale {scale}, zero point {zero}")


if __name__ == "__main__":
    main()
