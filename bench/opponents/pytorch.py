"""The PyTorch simulation on one thread, `pytorch.py torch_sim.py MODEL.pkl SCHEME SAMPLES SIDE`: answers `step N` with nanoseconds.

Steps exactly as `torch_sim.py --time` does: batch 1, the whole forward pass at each step, only the gradients that the scheme needs.
"""

import importlib.util
import sys

import numpy as np
import torch
from lines import serve, spans

CLASSES = 10


def main():
    tool, model, scheme, samples, side = sys.argv[1:]
    spec = importlib.util.spec_from_file_location("torch_sim", tool)
    sim = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sim)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    net = sim.Net(model, CLASSES, scheme, 1)
    side = int(side)
    # A record is a label and int8 pixels in rows, columns, channels.
    records = np.fromfile(samples, np.int8).reshape(-1, 1 + side * side * 3)
    pixels = (records[:, 1:] ^ -128).view(np.uint8).reshape(-1, side, side, 3).transpose(0, 3, 1, 2)
    x, y = torch.from_numpy(np.ascontiguousarray(pixels)), torch.from_numpy(records[:, 0].astype(np.int64))
    steps = 0

    def step(_):
        nonlocal steps
        at = [steps % len(x)]
        steps += 1
        net.step(net.sample(x[at]), 0, y[at], 1e-3)

    weights, biases = (int(n) for n in net.trained)
    serve(
        {"torch": torch.__version__, "weights": weights, "biases": biases},
        {"step": lambda n: spans(step, n)},
    )


if __name__ == "__main__":
    main()
