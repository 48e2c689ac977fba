"""Writes int8 models in the TensorFlow Lite format, schema version 3: the few tables and operators needed here."""
from dataclasses import dataclass, field
from typing import Optional

import flatbuffers
import numpy as np

TYPES = {np.dtype(np.int8): 9, np.dtype(np.int32): 2}
ACTIVATIONS = {None: 0, "relu6": 3}
# Operator: builtin code, version with int8 kernels, and the options' union tag.
CODES = {
    "ADD": (0, 2, 11),
    "CONV_2D": (3, 3, 1),
    "DEPTHWISE_CONV_2D": (4, 3, 2),
    "FULLY_CONNECTED": (9, 4, 8),
    "MEAN": (40, 2, 27),
}


@dataclass
class Tensor:
    name: str
    shape: tuple
    dtype: type = np.int8
    scale: Optional[np.ndarray] = None
    zero: int = 0
    axis: int = 0
    data: Optional[np.ndarray] = None


@dataclass
class Operator:
    kind: str
    inputs: list
    output: int
    options: dict = field(default_factory=dict)


@dataclass
class Graph:
    tensors: list = field(default_factory=list)
    operators: list = field(default_factory=list)
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)

    def tensor(self, *args, **kwargs):
        self.tensors.append(Tensor(*args, **kwargs))
        return len(self.tensors) - 1


def table(b, fields):
    """A table of (slot, kind, value); offsets must have been written before."""
    b.StartObject(max((slot for slot, _, _ in fields), default=-1) + 1)
    for slot, kind, value in fields:
        add = {"offset": b.PrependUOffsetTRelativeSlot, "byte": b.PrependInt8Slot, "ubyte": b.PrependUint8Slot,
               "bool": b.PrependBoolSlot, "int": b.PrependInt32Slot, "uint": b.PrependUint32Slot}[kind]  # fmt: skip
        add(slot, value, 0)
    return b.EndObject()


def offsets(b, items):
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return b.EndVector()


def numbers(b, values, dtype):
    return b.CreateNumpyVector(np.ascontiguousarray(values, dtype=dtype))


def buffer(b, data):
    """The bytes, 16-byte aligned as the schema requires."""
    if data is None:
        return table(b, [])
    raw = np.frombuffer(data.tobytes(), np.uint8)
    b.StartVector(1, len(raw), 16)
    b.head -= len(raw)
    b.Bytes[b.head : b.head + len(raw)] = raw.tobytes()
    return table(b, [(0, "offset", b.EndVector())])


def quantisation(b, t):
    scale = np.atleast_1d(t.scale)
    scales, zeros = numbers(b, scale, np.float32), numbers(b, np.full(len(scale), t.zero), np.int64)
    return table(b, [(2, "offset", scales), (3, "offset", zeros), (6, "int", t.axis)])


def tensor(b, t, index):
    name, shape = b.CreateString(t.name), numbers(b, t.shape, np.int32)
    fields = [(0, "offset", shape), (1, "byte", TYPES[np.dtype(t.dtype)]), (2, "uint", index), (3, "offset", name)]
    if t.scale is not None:
        fields.append((4, "offset", quantisation(b, t)))
    return table(b, fields)


def options(b, op):
    """SAME padding is 0, and so is `keep_dims` false: the defaults."""
    act, (down, across) = ACTIVATIONS[op.options.get("activation")], op.options.get("stride", (1, 1))
    strides = [(1, "int", across), (2, "int", down)]
    return table(b, {
        "ADD": [(0, "byte", act)],
        "CONV_2D": [*strides, (3, "byte", act), (4, "int", 1), (5, "int", 1)],
        "DEPTHWISE_CONV_2D": [*strides, (3, "int", 1), (4, "byte", act), (5, "int", 1), (6, "int", 1)],
        "FULLY_CONNECTED": [(0, "byte", act)],
        "MEAN": [(0, "bool", False)],
    }[op.kind])  # fmt: skip


def operator(b, op, kinds):
    opts, inputs, outputs = options(b, op), numbers(b, op.inputs, np.int32), numbers(b, [op.output], np.int32)
    return table(b, [(0, "uint", kinds.index(op.kind)), (1, "offset", inputs), (2, "offset", outputs),
                     (3, "ubyte", CODES[op.kind][2]), (4, "offset", opts)])  # fmt: skip


def operator_code(b, kind):
    code, version, _ = CODES[kind]
    return table(b, [(0, "byte", code), (2, "int", version), (3, "int", code)])


def write(graph, description):
    """The model's bytes. Buffer 0 is empty, as the format requires; constants follow."""
    b = flatbuffers.Builder(1 << 19)
    kinds = sorted({op.kind for op in graph.operators})
    held = [i for i, t in enumerate(graph.tensors) if t.data is not None]
    buffers = offsets(b, [buffer(b, None)] + [buffer(b, graph.tensors[i].data) for i in held])
    where = {i: n + 1 for n, i in enumerate(held)}
    tensors = offsets(b, [tensor(b, t, where.get(i, 0)) for i, t in enumerate(graph.tensors)])
    operators = offsets(b, [operator(b, op, kinds) for op in graph.operators])
    inputs, outputs = numbers(b, graph.inputs, np.int32), numbers(b, graph.outputs, np.int32)
    name = b.CreateString("main")
    subgraph = table(b, [(0, "offset", tensors), (1, "offset", inputs), (2, "offset", outputs),
                         (3, "offset", operators), (4, "offset", name)])  # fmt: skip
    subgraphs, codes = offsets(b, [subgraph]), offsets(b, [operator_code(b, k) for k in kinds])
    text = b.CreateString(description)
    b.Finish(table(b, [(0, "uint", 3), (1, "offset", codes), (2, "offset", subgraphs), (3, "offset", text),
                       (4, "offset", buffers)]), b"TFL3")  # fmt: skip
    return bytes(b.Output())
