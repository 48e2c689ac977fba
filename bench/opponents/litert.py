"""LiteRT with XNNPACK on one thread, `litert.py MODEL.tflite`: answers `inference N` with nanoseconds."""

import sys
from importlib.metadata import version

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from edited import edited
from lines import serve, spans


class LiteRt:
    """A model with int8 at both ends."""

    def __init__(self, content):
        self.interpreter = Interpreter(model_content=content, num_threads=1)
        self.interpreter.allocate_tensors()
        (given,), (yielded,) = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        self.shape, self.given, self.yielded = tuple(given["shape"]), given["index"], yielded["index"]

    def set(self, sample):
        self.interpreter.set_tensor(self.given, sample)

    def run(self, sample):
        self.set(sample)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.yielded)


def random_samples(shape, n=16):
    return np.random.default_rng(1).integers(-128, 128, (n, *shape), dtype=np.int8)


def main():
    with open(sys.argv[1], "rb") as file:
        model = LiteRt(edited(file.read()))
    # The content of the sample does not affect the time; passing it is not timed.
    model.set(random_samples(model.shape)[0])
    invoke = model.interpreter.invoke
    serve({"litert": version("ai-edge-litert")}, {"inference": lambda n: spans(lambda _: invoke(), n)})


if __name__ == "__main__":
    main()
