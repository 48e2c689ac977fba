"""Small inverted-residual networks: tinytrain-xs for 64x64 RGB images, whose input is pixel / 255, and tinytrain-gestures for 96 rows of 6 values from -1 to 1."""
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

@dataclass
class Shape:
    """Rows, columns and channels of the input; the stem's channels and kernel; each block: channels out, expansion, depthwise kernel, stride.

    With `rows` of 1 the network runs along the columns alone: windows and strides have one row.
    """

    name: str
    input: tuple
    stem: tuple
    blocks: list


XS = Shape("tinytrain-xs", (64, 64, 3), (16, 3), [
    (24, 1, 3, 2),
    (24, 3, 3, 1),
    (40, 4, 5, 2),
    (40, 4, 5, 1),
    (72, 4, 3, 2),
    (72, 4, 5, 1),
    (96, 4, 3, 1),
])  # fmt: skip
GESTURES = Shape("tinytrain-gestures", (1, 96, 6), (16, 5), [
    (16, 1, 5, 1),
    (24, 2, 5, 2),
    (24, 3, 5, 1),
    (32, 2, 5, 2),
    (48, 3, 5, 1),
])  # fmt: skip


def same_pad(kernel, stride):
    """Padding before and after along one axis, like TensorFlow's SAME for an even size."""
    total = kernel - stride
    return total // 2, total - total // 2


def padded(x, kernel, stride):
    """With SAME padding: kernel and stride are pairs of rows and columns."""
    (top, bottom), (left, right) = (same_pad(k, s) for k, s in zip(kernel, stride))
    return F.pad(x, (left, right, top, bottom))


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, and ReLU6 where `act`. Kernel and stride are pairs of rows and columns."""

    def __init__(self, cin, cout, kernel=(1, 1), stride=(1, 1), groups=1, act=True):
        super().__init__()
        pads = [same_pad(k, s) for k, s in zip(kernel, stride)]
        even = all(before == after for before, after in pads)
        self.act, self.even = act, even
        self.conv = nn.Conv2d(cin, cout, kernel, stride, [b for b, _ in pads] if even else 0, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(cout)

    def forward(self, x):
        if not self.even:
            x = padded(x, self.conv.kernel_size, self.conv.stride)
        x = self.norm(self.conv(x))
        return F.relu6(x, inplace=True) if self.act else x


class Block(nn.Module):
    """Expand (where expansion > 1), depthwise, project; the input is added where the shapes match."""

    def __init__(self, cin, cout, expansion, kernel, stride):
        super().__init__()
        mid = cin * expansion
        expand = [ConvNorm(cin, mid)] if expansion > 1 else []
        self.convs = nn.Sequential(*expand, ConvNorm(mid, mid, kernel, stride, mid), ConvNorm(mid, cout, act=False))
        self.residual = max(stride) == 1 and cin == cout

    def forward(self, x):
        y = self.convs(x)
        return x + y if self.residual else y


class Net(nn.Module):
    def __init__(self, shape, classes=10):
        super().__init__()
        rows, _, channels = shape.input

        def both(size):
            return (1 if rows == 1 else size, size)

        cin, kernel = shape.stem
        self.stem = ConvNorm(channels, cin, both(kernel), both(2))
        blocks = []
        for cout, expansion, kernel, stride in shape.blocks:
            blocks.append(Block(cin, cout, expansion, both(kernel), both(stride)))
            cin = cout
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(cin, classes)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def count(net, shape):
    """Multiply-accumulates per image, and number of weights (without biases and norms)."""
    total = [0, 0]

    def visit(layer, _, y):
        total[0] += layer.weight[0].numel() * (y[0].numel() if y.dim() == 4 else y.shape[1])
        total[1] += layer.weight.numel()

    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [m.register_forward_hook(visit) for m in layers]
    with torch.no_grad():
        rows, columns, channels = shape.input
        net.eval()(torch.zeros(1, channels, rows, columns))
    for hook in hooks:
        hook.remove()
    return {"macs": total[0], "weights": total[1], "convolutions": len(layers) - 1}
