"""ONNX Runtime on one thread, `ort.py MODEL.tflite`: converts the model, compares with LiteRT, answers `inference N` with nanoseconds.

Of the forms in which the model can be written, the one that is fastest here is taken.
"""

import statistics
import sys
from importlib.metadata import version

import numpy as np
import onnxruntime
from edited import edited
from lines import serve, spans
from litert import LiteRt, random_samples
from onnx import TensorProto, helper
from to_onnx import FORMS, convert

SAMPLES = 32
# The two round differently after each layer, as LiteRT's own kernels do among each other.
MEAN_APART, CLASS_APART = 2, 2


class Session:
    def __init__(self, content, unsigned):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.unsigned = unsigned
        self.binding = self.session.io_binding()
        self.binding.bind_output("output")

    def set(self, sample):
        # Must not be freed: the binding uses its memory.
        self.sample = (sample ^ -128).view(np.uint8) if self.unsigned else sample
        self.binding.bind_cpu_input("input", self.sample)

    def invoke(self):
        self.session.run_with_iobinding(self.binding)

    def run(self, sample):
        self.set(sample)
        self.invoke()
        found = self.binding.copy_outputs_to_cpu()[0]
        return (found ^ 128).view(np.int8) if self.unsigned else found


def session(content, form):
    return Session(convert(content, form), form == "u8")


def differences(content, form):
    """How far the converted model is from the model, and what is wrong with that, if anything. Compared before the last SOFTMAX, which would stretch a unit
    to ten. Without VNNI the sums of the uint8 form may
    saturate at 16 bits: then it is not the model."""
    known, ours = LiteRt(content), session(content, form)
    apart, wrong = [], None
    for sample in random_samples(known.shape, SAMPLES):
        want, got = known.run(sample).astype(int).ravel(), ours.run(sample).astype(int).ravel()
        apart.append(int(np.abs(want - got).max()))
        if want.max() - want[got.argmax()] > CLASS_APART:
            wrong = f"not the class that LiteRT finds: {want} and {got}"
    mean = statistics.mean(apart)
    if mean > MEAN_APART:
        wrong = f"outputs {mean} units from LiteRT's on average"
    return {"samples": SAMPLES, "mean": mean, "largest": max(apart)}, wrong


def empty_call():
    """Nanoseconds of a call that computes nothing: the overhead of Python, which is subtracted."""
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.INT8, [1])  # noqa: E731
    graph = helper.make_graph([helper.make_node("Identity", ["input"], ["output"])], "empty", [value("input")], [value("output")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    empty = Session(model.SerializeToString(), False)
    empty.set(np.zeros(1, np.int8))
    return round(statistics.median(spans(lambda _: empty.invoke(), 2000)))


def main():
    onnxruntime.set_default_logger_severity(3)
    with open(sys.argv[1], "rb") as file:
        content = file.read()
    whole, logits = edited(content), edited(content, softmax=False)
    found = {form: differences(logits, form) for form in FORMS}
    sessions = {form: session(whole, form) for form, (_, wrong) in found.items() if wrong is None}
    if not sessions:
        sys.exit(f"error: no converted model matches the original: {found}")
    sample = random_samples(next(iter(sessions.values())).session.get_inputs()[0].shape)[0]
    medians = {}
    for form, model in sessions.items():
        model.set(sample)
        medians[form] = statistics.median(spans(lambda _: model.invoke(), 200)[50:])
    best = min(medians, key=medians.get)
    overhead = empty_call()
    about = {"onnxruntime": version("onnxruntime"), "form": best, "apart": found[best][0], "empty_call_ns": overhead}
    invoke = sessions[best].invoke
    serve(about, {"inference": lambda n: [t - overhead for t in spans(lambda _: invoke(), n)]})


if __name__ == "__main__":
    main()
