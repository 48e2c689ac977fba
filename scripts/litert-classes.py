"""Runs a .tflite on many samples under LiteRT, for scripts/litert-agreement.mjs.

    python scripts/litert-classes.py MODEL.tflite SAMPLES OUT.json

SAMPLES holds int8 inputs, one behind the other. OUT.json gets, for each of LiteRT's sets of kernels, the class of each sample and the time of a call, and the
labels in the model's metadata.
"""
import json
import sys
import time
import zipfile

import numpy
from ai_edge_litert.interpreter import Interpreter, OpResolverType

model, samples, out = sys.argv[1:]
kernels = {
    "reference": OpResolverType.BUILTIN_REF,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "xnnpack": OpResolverType.AUTO,
}
result = {"labels": zipfile.ZipFile(model).read("labels.txt").decode().splitlines()}
for name, resolver in kernels.items():
    interpreter = Interpreter(model, experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    (given,), (found,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert given["dtype"] == found["dtype"] == numpy.int8
    inputs = numpy.fromfile(samples, numpy.int8).reshape(-1, *given["shape"])
    classes, began = [], time.perf_counter()
    for sample in inputs:
        interpreter.set_tensor(given["index"], sample)
        interpreter.invoke()
        classes.append(int(interpreter.get_tensor(found["index"]).argmax()))
    result[name] = {"classes": classes, "milliseconds": 1000 * (time.perf_counter() - began) / len(inputs)}
with open(out, "w") as file:
    json.dump(result, file)
