"""The .tflite as given to all runtimes."""

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def edited(content, softmax=True):
    """The file's bytes with int8 at both ends: QUANTIZE at the input and DEQUANTIZE at the output fall away, and with `softmax=False` SOFTMAX there.

    Some files say that a bias is quantised along axis 3, of which LiteRT takes no notice while it runs but refuses the file: it has axis 0 only.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    operator = schema.BuiltinOperator

    def kind(op):
        code = model.operatorCodes[op.opcodeIndex]
        return max(code.builtinCode, code.deprecatedBuiltinCode)

    if kind(graph.operators[0]) == operator.QUANTIZE:
        graph.inputs = graph.operators.pop(0).outputs
    while kind(graph.operators[-1]) in (operator.DEQUANTIZE, *(() if softmax else (operator.SOFTMAX,))):
        graph.outputs = graph.operators.pop().inputs
    for tensor in graph.tensors:
        q = tensor.quantization
        if q is not None and q.scale is not None and q.quantizedDimension >= len(tensor.shape):
            q.quantizedDimension = 0
    model.signatureDefs = None
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
