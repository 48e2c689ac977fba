"""Turns an int8 .tflite into int8 ONNX: the graph in the quantise-dequantise form, from which ONNX Runtime makes integer kernels.

The forms differ in what ONNX Runtime does fastest, which depends on processor and version; the caller times all:
  u8, s8   type of the activations (values, scales and zero points are the same, 128 apart); weights are int8, one scale a channel.

The sample stays in rows, columns, channels, as an application has it; transposes at the ends cancel with those that ONNX Runtime puts in for its
channels-last kernels. PAD goes into the convolution behind it.
"""

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tflite
from onnx import TensorProto, helper, numpy_helper

FORMS = ("u8", "s8")
OPS = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
TYPES = {tflite.TensorType.INT8: np.int8, tflite.TensorType.INT32: np.int32}


def same(size, out, kernel, stride, padding):
    """Rows (or columns) of zeros before and after."""
    if padding == tflite.Padding.VALID:
        return 0, 0
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Converter:
    def __init__(self, content, form):
        self.model = tflite.Model.GetRootAs(content, 0)
        self.graph = self.model.Subgraphs(0)
        self.unsigned = form == "u8"
        self.nodes, self.constants, self.made = [], [], {}
        self.pads = {}  # tensor -> (the tensor that PAD reads, its pads)

    # Reading the file.

    def shape(self, t):
        return [int(d) for d in self.graph.Tensors(t).ShapeAsNumpy()]

    def values(self, t):
        tensor = self.graph.Tensors(t)
        data = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
        return np.frombuffer(data.tobytes(), TYPES[tensor.Type()]).reshape(self.shape(t))

    def quantised(self, t):
        q = self.graph.Tensors(t).Quantization()
        return np.asarray(q.ScaleAsNumpy(), np.float32), np.asarray(q.ZeroPointAsNumpy())

    def options(self, op, kind):
        found = kind()
        table = op.BuiltinOptions()
        found.Init(table.Bytes, table.Pos)
        return found

    # Building blocks of the graph.

    def constant(self, name, array):
        if name not in self.made:
            self.made[name] = name
            self.constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def node(self, kind, inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def scale_and_zero(self, t):
        scale, zero = self.quantised(t)
        kind, shift = (np.uint8, 128) if self.unsigned else (np.int8, 0)
        return [
            self.constant(f"scale{t}", scale[0]),
            self.constant(f"zero{t}", np.array(int(zero[0]) + shift, kind)),
        ]

    def quantise(self, real, t):
        """The activation `t` from its real values. The bounds of the activation function are those of int8, which the caller checks."""
        self.node("QuantizeLinear", [real, *self.scale_and_zero(t)], f"q{t}")

    def real(self, t):
        """The real values of an activation; each reader gets its own node, as ONNX Runtime requires."""
        name = f"r{t}_{len(self.nodes)}"
        return self.node("DequantizeLinear", [f"q{t}", *self.scale_and_zero(t)], name)

    def weights(self, t, array, axis):
        scale, zero = self.quantised(t)
        assert not zero.any(), "weights have zero point 0"
        q = self.constant(f"w{t}", array)
        if len(scale) == 1:
            scale = np.repeat(scale, array.shape[axis])
        s = self.constant(f"ws{t}", scale)
        z = self.constant(f"wz{t}", np.zeros(len(scale), np.int8))
        return self.node("DequantizeLinear", [q, s, z], f"wr{t}_{len(self.nodes)}", axis=axis), scale

    def bias(self, t, scale):
        q = self.constant(f"b{t}", self.values(t).reshape(-1))
        s = self.constant(f"bs{t}", np.asarray(scale, np.float32))
        z = self.constant(f"bz{t}", np.zeros(len(scale), np.int32))
        return self.node("DequantizeLinear", [q, s, z], f"br{t}_{len(self.nodes)}", axis=0)

    def activation(self, real, t, function):
        """In these files, the bounds of ReLU and ReLU6 are usually those of int8; otherwise a Clip is added."""
        scale, zero = (float(v[0]) for v in self.quantised(t))
        kind = tflite.ActivationFunctionType
        assert function in (kind.NONE, kind.RELU, kind.RELU6), f"activation function {function}"
        low, high = (-128 - zero) * scale, (127 - zero) * scale
        if function != kind.NONE and low < -scale / 2:
            real = self.node("Relu", [real], f"relu{t}")
        if function == kind.RELU6 and high > 6 + scale / 2:
            top = self.constant("six", np.float32(6))
            zero = self.constant("nought", np.float32(0))
            real = self.node("Clip", [real, zero, top], f"clip{t}")
        return real

    # The operators.

    def convolution(self, op, depthwise):
        x, w, b = (int(t) for t in op.InputsAsNumpy())
        y = int(op.OutputsAsNumpy()[0])
        o = self.options(op, tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions)
        array = self.values(w)  # OHWI, depthwise 1HWO
        array = array.transpose(3, 0, 1, 2) if depthwise else array.transpose(0, 3, 1, 2)
        kernel, strides = array.shape[2:], (o.StrideH(), o.StrideW())
        size, out = self.shape(x)[1:3], self.shape(y)[1:3]
        around = [same(size[i], out[i], kernel[i], strides[i], o.Padding()) for i in (0, 1)]
        if x in self.pads:
            assert around == [(0, 0), (0, 0)]
            x, around = self.pads[x]
        real_w, scale = self.weights(w, array, 0)
        real_b = self.bias(b, scale * self.quantised(x)[0][0])
        found = self.node(
            "Conv",
            [self.real(x), real_w, real_b],
            f"conv{y}",
            kernel_shape=kernel,
            strides=strides,
            pads=[around[0][0], around[1][0], around[0][1], around[1][1]],
            group=self.shape(x)[3] if depthwise else 1,
        )
        self.quantise(self.activation(found, y, o.FusedActivationFunction()), y)

    def add(self, op):
        a, b = (int(t) for t in op.InputsAsNumpy())
        y = int(op.OutputsAsNumpy()[0])
        found = self.node("Add", [self.real(a), self.real(b)], f"add{y}")
        self.quantise(self.activation(found, y, self.options(op, tflite.AddOptions).FusedActivationFunction()), y)

    def mean(self, x, y, flat=False):
        """Over the whole map; `flat` drops the two axes."""
        found = self.node("GlobalAveragePool", [self.real(x)], f"pool{y}")
        if flat:
            q = self.node("QuantizeLinear", [found, *self.scale_and_zero(y)], f"mean{y}")
            found = self.node("DequantizeLinear", [q, *self.scale_and_zero(y)], f"means{y}")
            found = self.node("Flatten", [found], f"flat{y}")
        self.quantise(found, y)

    def reshape(self, x, y):
        shape = self.constant(f"shape{y}", np.array(self.shape(y), np.int64))
        self.quantise(self.node("Reshape", [self.real(x), shape], f"reshape{y}"), y)

    def fully_connected(self, op):
        x, w, b = (int(t) for t in op.InputsAsNumpy())
        y = int(op.OutputsAsNumpy()[0])
        o = self.options(op, tflite.FullyConnectedOptions)
        real_w, scale = self.weights(w, self.values(w).T, 1)
        real_b = self.bias(b, scale * self.quantised(x)[0][0])
        found = self.node("Gemm", [self.real(x), real_w, real_b], f"gemm{y}")
        self.quantise(self.activation(found, y, o.FusedActivationFunction()), y)

    def convert(self):
        g = self.graph
        first, last = int(g.InputsAsNumpy()[0]), int(g.OutputsAsNumpy()[0])
        ops = [g.Operators(i) for i in range(g.OperatorsLength())]
        byte = TensorProto.UINT8 if self.unsigned else TensorProto.INT8
        given = helper.make_tensor_value_info("input", byte, self.shape(first))
        yielded = helper.make_tensor_value_info("output", byte, self.shape(last))
        self.node("DequantizeLinear", ["input", *self.scale_and_zero(first)], "sample")
        self.quantise(self.node("Transpose", ["sample"], "planes", perm=[0, 3, 1, 2]), first)
        while ops:
            op = ops.pop(0)
            name = self.name(op)
            x, y = int(op.InputsAsNumpy()[0]), int(op.OutputsAsNumpy()[0])
            if name == "PAD":
                rows = self.values(int(op.InputsAsNumpy()[1])).tolist()
                assert rows[0] == rows[3] == [0, 0]
                self.pads[y] = x, [tuple(rows[1]), tuple(rows[2])]
            elif name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
                self.convolution(op, name != "CONV_2D")
            elif name == "ADD":
                self.add(op)
            elif name == "AVERAGE_POOL_2D":
                assert self.shape(y)[1:3] == [1, 1], "only a mean over the whole map is supported"
                self.mean(x, y)
            elif name == "TRANSPOSE":
                # A mean over the map, expressed as a transpose and two means over one axis each.
                tail = [ops.pop(0) for _ in range(2)]
                assert [self.name(t) for t in tail] == ["MEAN", "MEAN"]
                self.mean(x, int(tail[1].OutputsAsNumpy()[0]), flat=True)
            elif name == "RESHAPE":
                self.reshape(x, y)
            elif name == "FULLY_CONNECTED":
                self.fully_connected(op)
            elif name == "SOFTMAX":
                self.quantise(self.node("Softmax", [self.real(x)], f"softmax{y}"), y)
            else:
                raise SystemExit(f"error: operator {name} is not supported here")
        self.nodes[-1].output[0] = "output"
        graph = helper.make_graph(self.nodes, "network", [given], [yielded], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def name(self, op):
        code = self.model.OperatorCodes(op.OpcodeIndex())
        return OPS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]


def convert(content, form):
    """The ONNX model's bytes; `content` is a .tflite with int8 at both ends (see `edited`)."""
    model = Converter(content, form).convert()
    onnx.checker.check_model(model)
    return model.SerializeToString()
