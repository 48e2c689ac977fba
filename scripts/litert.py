"""Runs the models of a folder under LiteRT's reference kernels, for crates/compile/tests/operators.rs.

    python scripts/litert.py DIR OUT.json

DIR holds NAME.tflite and NAME.in, the int8 values of its input. OUT.json gets the int8 values of each model's last
output; uint8 values are given less 128, as tinytrain holds them.
"""
import json
import pathlib
import sys

import numpy
from ai_edge_litert.interpreter import Interpreter, OpResolverType

folder, out = sys.argv[1:]
results = {}
for model in sorted(pathlib.Path(folder).glob("*.tflite")):
    interpreter = Interpreter(str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    values = numpy.frombuffer(model.with_suffix(".in").read_bytes(), numpy.int8)
    if given["dtype"] == numpy.uint8:
        values = (values.astype(numpy.int16) + 128).astype(numpy.uint8)
    interpreter.set_tensor(given["index"], values.reshape(given["shape"]))
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[-1]["index"])
    results[model.stem] = (found.astype(numpy.int16) - (128 if found.dtype == numpy.uint8 else 0)).flatten().tolist()
with open(out, "w") as file:
    lines = [f" {json.dumps(name)}: {json.dumps(values, separators=(',', ':'))}" for name, values in results.items()]
    file.write("{\n" + ",\n".join(lines) + "\n}\n")
