"""Trains a small network for series and writes it as a float .onnx, which tinytrain takes.

    python3 series.py --data spoken --out spoken.onnx

DATA has train-x.npy (samples x rows x columns, raw values) and train-y.npy, likewise test-; the network is fed with value / SCALE.
"""
import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from net import Net, Shape
from train import groups, rate


def read(folder, split):
    x, y = (np.load(Path(folder) / f"{split}-{what}.npy") for what in "xy")
    return torch.from_numpy(x.transpose(0, 2, 1)[:, :, None].astype(np.float32)), torch.from_numpy(y.astype(np.int64))


def changed(x, a, gen):
    """Shifted in time, continued with the first or last row; another level and slope over the columns; noise; some rows and columns blank."""
    n, columns, _, rows = x.shape
    shift = torch.randint(-a.shift, a.shift + 1, (n, 1), generator=gen)
    at = (torch.arange(rows)[None] + shift).clamp(0, rows - 1)
    x = x.gather(3, at[:, None, None].expand(-1, columns, 1, -1))
    level, slope = (torch.randn(n, 1, 1, 1, generator=gen) * a.level for _ in range(2))
    x = x + level + slope * torch.linspace(-1, 1, columns).view(1, -1, 1, 1)
    return x + torch.randn(x.shape, generator=gen) * a.noise


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        return 100 * (net(x).argmax(1) == y).double().mean().item()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--scale", type=float, default=8192, help="of the raw values")
    p.add_argument("--epochs", type=int, default=40)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, default=0.05)
    p.add_argument("--decay", type=float, default=1e-3)
    p.add_argument("--shift", type=int, default=4, help="rows")
    p.add_argument("--level", type=float, default=0.1, help="standard deviation")
    p.add_argument("--noise", type=float, default=0.05, help="standard deviation")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    gen = torch.Generator().manual_seed(a.seed)
    (x, y), (test_x, test_y) = read(a.data, "train"), read(a.data, "test")
    x, test_x = x / a.scale, test_x / a.scale
    _, columns, _, rows = x.shape
    # Windows of 4 where the stride is 2: as much padding before as after, which an .onnx says in one operator.
    blocks = [(32, 2, 5, 1), (48, 2, 4, 2), (48, 2, 5, 1), (64, 2, 5, 1)]
    net = Net(Shape(Path(a.out).stem, (1, rows, columns), (32, 4), blocks), int(y.max()) + 1)
    opt = torch.optim.SGD(groups(net, a.decay), lr=a.lr, momentum=0.9, nesterov=True)
    steps, at, start = a.epochs * (len(x) // a.batch), 0, time.time()
    for epoch in range(a.epochs):
        net.train()
        order, total = torch.randperm(len(x), generator=gen), 0.0
        for idx in order[: len(x) // a.batch * a.batch].split(a.batch):
            for g in opt.param_groups:
                g["lr"] = rate(at, steps, a.lr)
            loss = F.cross_entropy(net(changed(x[idx], a, gen)), y[idx])
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            total, at = total + loss.item(), at + 1
        if epoch % 10 == 9 or epoch + 1 == a.epochs:
            print(f"epoch {epoch + 1}/{a.epochs} loss {total * a.batch / len(x):.3f} {time.time() - start:.0f} s", flush=True)
    print(json.dumps({"train": round(accuracy(net, x, y), 1), "test": round(accuracy(net, test_x, test_y), 1)}))
    warnings.filterwarnings("ignore", module="torch.onnx")
    torch.onnx.export(net.eval(), torch.zeros(1, columns, 1, rows), a.out, opset_version=13)


if __name__ == "__main__":
    main()
