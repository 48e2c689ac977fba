"""Accuracy of an int8 .tflite on a folder of class folders, under LiteRT's reference kernels.

    python3 evaluate.py --model tinytrain-xs.tflite --test cifar10-test
"""
import argparse
import json

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import data


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--test", required=True)
    p.add_argument("--fast", action="store_true", help="use the optimised kernels instead")
    a = p.parse_args()
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if a.fast else OpResolverType.BUILTIN_REF
    run = Interpreter(a.model, experimental_op_resolver_type=kernels, num_threads=1)
    run.allocate_tensors()
    source, sink = run.get_input_details()[0], run.get_output_details()[0]["index"]
    assert source["quantization"][1] == -128
    x, y, _ = data.read_folder(a.test)
    x = (data.upsample(x, 64) * 255 - 128).round().permute(0, 2, 3, 1).numpy().astype(np.int8)
    hits = 0
    for image, label in zip(x, y.tolist()):
        run.set_tensor(source["index"], image[None])
        run.invoke()
        hits += int(run.get_tensor(sink)[0].argmax() == label)
    print(json.dumps({"int8": round(100 * hits / len(y), 2), "images": len(y)}))


if __name__ == "__main__":
    main()
