"""tinytrain-xs: a small inverted-residual network for 64x64 RGB images. Its input is pixel / 255."""
import torch
import torch.nn as nn
import torch.nn.functional as F

STEM = 16
# Each block: channels out, expansion, depthwise kernel, stride.
BLOCKS = [
    (24, 1, 3, 2),
    (24, 3, 3, 1),
    (40, 4, 5, 2),
    (40, 4, 5, 1),
    (72, 4, 3, 2),
    (72, 4, 5, 1),
    (96, 4, 3, 1),
]


def same_pad(kernel, stride):
    """Padding before and after along one axis, like TensorFlow's SAME for an even size."""
    total = kernel - stride
    return total // 2, total - total // 2


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, and ReLU6 where `act`."""

    def __init__(self, cin, cout, kernel=1, stride=1, groups=1, act=True):
        super().__init__()
        self.pad, self.act = same_pad(kernel, stride), act
        inner = self.pad[0] if self.pad[0] == self.pad[1] else 0
        self.conv = nn.Conv2d(cin, cout, kernel, stride, inner, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(cout)

    def forward(self, x):
        before, after = self.pad
        if before != after:
            x = F.pad(x, (before, after, before, after))
        x = self.norm(self.conv(x))
        return F.relu6(x, inplace=True) if self.act else x


class Block(nn.Module):
    """Expand (where expansion > 1), depthwise, project; the input is added where the shapes match."""

    def __init__(self, cin, cout, expansion, kernel, stride):
        super().__init__()
        mid = cin * expansion
        expand = [ConvNorm(cin, mid)] if expansion > 1 else []
        self.convs = nn.Sequential(*expand, ConvNorm(mid, mid, kernel, stride, mid), ConvNorm(mid, cout, act=False))
        self.residual = stride == 1 and cin == cout

    def forward(self, x):
        y = self.convs(x)
        return x + y if self.residual else y


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.stem = ConvNorm(3, STEM, 3, 2)
        blocks, cin = [], STEM
        for cout, *shape in BLOCKS:
            blocks.append(Block(cin, cout, *shape))
            cin = cout
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(cin, classes)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def count(net, size=64):
    """Multiply-accumulates per image, and number of weights (without biases and norms)."""
    total = [0, 0]

    def visit(layer, _, y):
        total[0] += layer.weight[0].numel() * (y[0].numel() if y.dim() == 4 else y.shape[1])
        total[1] += layer.weight.numel()

    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [m.register_forward_hook(visit) for m in layers]
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return {"macs": total[0], "weights": total[1], "convolutions": len(layers) - 1}
