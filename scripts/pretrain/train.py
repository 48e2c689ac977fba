"""Pretrains the network of a task and writes a checkpoint. One thread, seeded.

    python3 train.py --train cifar10-train.tar --test cifar10-test --out xs.pt
    python3 train.py --task gestures --train gestures --test gestures --out gestures.pt
"""
import argparse
import json
import math
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from net import Net, count
from tasks import TASKS


def groups(net, decay):
    """Weight decay for dense weights only: on norms or depthwise kernels it would make channels die."""
    dense = [p for m in net.modules() for n, p in m.named_parameters(recurse=False) if n == "weight"
             and (isinstance(m, nn.Linear) or isinstance(m, nn.Conv2d) and m.groups == 1)]  # fmt: skip
    ids = {id(p) for p in dense}
    rest = [p for p in net.parameters() if id(p) not in ids]
    return [{"params": dense, "weight_decay": decay}, {"params": rest, "weight_decay": 0}]


def rate(step, steps, peak):
    warm = steps // 20
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def accuracy(net, task, x, y):
    net.eval()
    with torch.no_grad():
        inputs = (task.inputs(b).contiguous(memory_format=torch.channels_last) for b in x.split(250))
        hits = [net(b).argmax(1) for b in inputs]
    return 100 * (torch.cat(hits) == y).double().mean().item()


def epoch(net, task, opt, x, y, size, gen, at, steps, a):
    net.train()
    order, hits, loss_sum = torch.randperm(len(x), generator=gen), 0, 0.0
    batches = order[: len(x) // a.batch * a.batch].split(a.batch)
    for idx in batches:
        for g in opt.param_groups:
            g["lr"] = rate(at, steps, a.lr)
        samples = task.augmented(x[idx], size, gen).contiguous(memory_format=torch.channels_last)
        out = net(samples)
        loss = F.cross_entropy(out, y[idx])
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        hits += (out.argmax(1) == y[idx]).sum().item()
        loss_sum += loss.item()
        at += 1
    return at, loss_sum / len(batches), 100 * hits / (len(batches) * a.batch)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--task", choices=TASKS, default="images")
    p.add_argument("--train", required=True, help="tar of <class>/*.jpg; the folder of gestures.mjs")
    p.add_argument("--test", required=True, help="folder of <class>/*, or of gestures.mjs, used only for the final evaluation")
    p.add_argument("--out", required=True)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--lr", type=float, default=0.1)
    p.add_argument("--decay", type=float, default=3e-4)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(a.seed)
    gen = torch.Generator().manual_seed(a.seed)
    task = TASKS[a.task]
    net = Net(task.shape).to(memory_format=torch.channels_last)
    (x, y), (held_x, held_y), (test_x, test_y) = task.load(a.train, a.test)
    sets = {"train": len(x), "held_out": len(held_x), "test": len(test_x)}
    print(json.dumps({**count(net, task.shape), **sets}), flush=True)
    opt = torch.optim.SGD(groups(net, a.decay), lr=a.lr, momentum=0.9, nesterov=True)
    sizes = task.sizes
    steps, at, start = len(sizes) * (len(x) // a.batch), 0, time.time()
    for i, size in enumerate(sizes):
        at, loss, hits = epoch(net, task, opt, x, y, size, gen, at, steps, a)
        held = accuracy(net, task, held_x, held_y)
        print(f"epoch {i + 1}/{len(sizes)} size {size} loss {loss:.3f} train {hits:.1f} held out {held:.1f} "
              f"{time.time() - start:.0f} s", flush=True)  # fmt: skip
        torch.save({"net": net.state_dict(), "epoch": i + 1}, a.out)
    result = {"held_out": accuracy(net, task, held_x, held_y), "test": accuracy(net, task, test_x, test_y)}
    torch.save({"net": net.state_dict(), "args": vars(a), **result}, a.out)
    print(json.dumps({**result, "seconds": round(time.time() - start)}), flush=True)


if __name__ == "__main__":
    main()
