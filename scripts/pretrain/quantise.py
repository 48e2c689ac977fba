"""Folds the norms of a checkpoint, calibrates, quantises to int8 and writes a .tflite.

    python3 quantise.py --checkpoint xs.pt --train cifar10-train.tar --out tinytrain-xs.tflite
    python3 quantise.py --task gestures --checkpoint gestures.pt --train gestures --out tinytrain-gestures.tflite
"""
import argparse
import hashlib
import json

import numpy as np
import torch
import torch.nn.functional as F

import tflite
from net import Net, padded
from tasks import TASKS

MIN_MULTIPLIER = 1e-5  # of any channel: smaller ones would be dead
MAX_BIAS = 2**22


def fold(layer):
    """Float64 weights and bias of a convolution, with its norm folded in."""
    norm = layer.norm
    gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return layer.conv.weight.double() * gain.view(-1, 1, 1, 1), norm.bias.double() - norm.running_mean.double() * gain


def conv_step(name, layer, src):
    weight, bias = fold(layer)
    depthwise = layer.conv.groups > 1
    return {"name": name, "kind": "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", "src": [src],
            "weight": weight, "bias": bias, "stride": layer.conv.stride,
            "act": "relu6" if layer.act else None}  # fmt: skip


def steps(net):
    """The network as a flat list; `src` are indices into it, -1 the input."""
    out = [conv_step("stem", net.stem, -1)]
    for i, block in enumerate(net.blocks):
        first = len(out) - 1
        names = ["expand", "depthwise", "project"][-len(block.convs) :]
        for name, layer in zip(names, block.convs):
            out.append(conv_step(f"block{i + 1}/{name}", layer, len(out) - 1))
        if block.residual:
            out.append({"name": f"block{i + 1}/add", "kind": "ADD", "src": [first, len(out) - 1]})
    out.append({"name": "mean", "kind": "MEAN", "src": [len(out) - 1]})
    weight, bias = net.head.weight.double(), net.head.bias.double()
    out.append({"name": "head", "kind": "FULLY_CONNECTED", "src": [len(out) - 1], "weight": weight, "bias": bias})
    return out


def whiten(plan, task, x, ridge, spread):
    """Features of mean 0, nearly uncorrelated, each of standard deviation about `spread`: the same function.

    The last projection, the mean and the classifier are linear: an invertible map may be moved from one to the other.
    Without it the few directions that separate the pretraining classes outweigh all others, and plain SGD crawls.
    `ridge`, a share of the mean variance, keeps directions of almost no variance from being blown up.
    """
    last, head = plan[-3], plan[-1]
    assert last["act"] is None and head["kind"] == "FULLY_CONNECTED"
    features = torch.cat([forward(plan, task, batch)[len(plan) - 2] for batch in x.split(100)]).double()
    mean, cov = features.mean(0), torch.cov(features.T)
    values, vectors = torch.linalg.eigh(cov)
    gains = spread / (values + ridge * values.mean()).sqrt()
    turn, back = vectors * gains @ vectors.T, vectors / gains @ vectors.T
    last["weight"] = torch.einsum("oc,cihw->oihw", turn, last["weight"])
    last["bias"] = turn @ (last["bias"] - mean)
    head["bias"] = head["bias"] + head["weight"] @ mean
    head["weight"] = head["weight"] @ back


def run(step, x):
    """One step in float32."""
    if step["kind"] == "ADD":
        return x[0] + x[1]
    if step["kind"] == "MEAN":
        return x[0].mean((2, 3))
    weight, bias = step["weight"].float(), step["bias"].float()
    if step["kind"] == "FULLY_CONNECTED":
        return F.linear(x[0], weight, bias)
    groups = len(weight) if step["kind"] == "DEPTHWISE_CONV_2D" else 1
    y = F.conv2d(padded(x[0], weight.shape[2:], step["stride"]), weight, bias, step["stride"], groups=groups)
    return y.clamp(0, 6) if step["act"] else y


def forward(plan, task, x):
    """The output of every step for a batch of samples, by index; -1 is the input."""
    vals = {-1: task.inputs(x)}
    for i, step in enumerate(plan):
        vals[i] = run(step, [vals[s] for s in step["src"]])
    return vals


def ends(v, share):
    n = v.numel()
    return v.kthvalue(max(1, round(share * n))).values.item(), v.kthvalue(round((1 - share) * n)).values.item()


def calibrate(plan, task, x, share):
    """Range (lo, hi) of each step: the mean over batches of the range without a `share` of the values at each end."""
    ranges = []
    for batch in x.split(100):
        vals = forward(plan, task, batch)
        ranges.append([ends(vals[i].flatten(), share) for i in range(len(plan))])
    return np.mean(ranges, axis=0)


def affine(lo, hi):
    """Scale (a float32) and zero point of int8 values that cover lo..hi and represent zero exactly."""
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = np.float32((hi - lo) / 255)
    return float(scale), int(np.clip(np.round(-128 - lo / float(scale)), -128, 127))


def weights(step, sx, sy):
    """Int8 weights, int32 bias and the scales, one per output channel (a single one for the classifier)."""
    w, b = step["weight"].numpy(), step["bias"].numpy()
    top = np.abs(w).reshape(len(w), -1).max(1)
    if step["kind"] == "FULLY_CONNECTED":
        top = top.max(keepdims=True)
    largest = np.abs(b) if len(top) > 1 else np.abs(b).max(keepdims=True)
    floor = np.maximum(MIN_MULTIPLIER * sy / sx, largest / (sx * MAX_BIAS))
    s = np.maximum(top / 127, floor).astype(np.float32)
    wide = s.astype(np.float64).reshape(-1, *[1] * (w.ndim - 1))
    q = np.clip(np.round(w / wide), -127, 127).astype(np.int8)
    bias = np.round(b / (np.float64(np.float32(sx)) * s.astype(np.float64))).astype(np.int64)
    assert np.abs(bias).max() <= MAX_BIAS + 1
    raised = int((top / 127 < floor).sum())
    return q, bias.astype(np.int32), s, raised


def layout(kind, q):
    """Weights in the format's order, and the axis of the scales."""
    if kind == "CONV_2D":
        return q.transpose(0, 2, 3, 1), 0
    if kind == "DEPTHWISE_CONV_2D":
        return q.transpose(1, 2, 3, 0), 3
    return q, 0


def out_shape(step, shape):
    if step["kind"] == "MEAN":
        return (1, shape[3])
    if step["kind"] == "FULLY_CONNECTED":
        return (1, len(step["weight"]))
    if step["kind"] == "ADD":
        return shape
    return (1, *(size // stride for size, stride in zip(shape[1:3], step["stride"])), len(step["weight"]))


def constants(g, step, x, sy, report):
    """Adds a step's weights and bias to the graph, updates the report, and returns their indices."""
    q, bias, s, raised = weights(step, float(x.scale), sy)
    q, axis = layout(step["kind"], q)
    name, sb = step["name"], np.float32(x.scale) * s
    report["raised_channels"] += raised
    report["min_multiplier"] = min(report["min_multiplier"], float((x.scale * s / sy).min()))
    report["max_bias"] = max(report["max_bias"], int(np.abs(bias).max()))
    return [g.tensor(name + "/weight", q.shape, scale=s, axis=axis, data=np.ascontiguousarray(q)),
            g.tensor(name + "/bias", bias.shape, np.int32, scale=sb, data=bias)]  # fmt: skip


def build(plan, task, ranges):
    """The quantised graph, and a report of its multipliers."""
    g, at, report = tflite.Graph(), {}, {"raised_channels": 0, "min_multiplier": 1.0, "max_bias": 0}
    at[-1] = g.tensor(shape=(1, *task.shape.input), **task.input)
    g.inputs = [at[-1]]
    for i, (step, (lo, hi)) in enumerate(zip(plan, ranges)):
        src = [at[s] for s in step["src"]]
        x, extra = g.tensors[src[0]], []
        # The mean keeps its input's quantisation.
        scale, zero = (float(x.scale), x.zero) if step["kind"] == "MEAN" else affine(lo, hi)
        if "weight" in step:
            extra = constants(g, step, x, scale, report)
        elif step["kind"] == "MEAN":
            extra = [g.tensor("mean/axes", (2,), np.int32, data=np.array([1, 2], np.int32))]
        at[i] = g.tensor(step["name"], out_shape(step, x.shape), scale=np.float32(scale), zero=zero)
        opts = {"activation": step.get("act"), "stride": step.get("stride", (1, 1))}
        g.operators.append(tflite.Operator(step["kind"], src + extra, at[i], opts))
    g.outputs = [at[len(plan) - 1]]
    return g, report


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--task", choices=TASKS, default="images")
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--train", required=True, help="what train.py took, whose held-out samples are used for calibration")
    p.add_argument("--out", required=True)
    p.add_argument("--share", type=float, default=1e-4, help="share of values excluded at each end of a range")
    p.add_argument("--ridge", type=float, default=0.003, help="ridge of the whitening, as a share of the mean variance")
    p.add_argument("--spread", type=float, default=3.0, help="standard deviation of the features")
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    task = TASKS[a.task]
    net = Net(task.shape).eval()
    net.load_state_dict(torch.load(a.checkpoint)["net"])
    plan, held = steps(net), task.held_out(a.train)
    whiten(plan, task, held, a.ridge, a.spread)
    graph, report = build(plan, task, calibrate(plan, task, held, a.share))
    raw = tflite.write(graph, f"{task.shape.name}: {'x'.join(map(str, task.shape.input))}, int8")
    with open(a.out, "wb") as f:
        f.write(raw)
    print(json.dumps({**report, "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}))


if __name__ == "__main__":
    main()
