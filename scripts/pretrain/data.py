"""Images in class folders, and their augmentation in batches."""
import math
import tarfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

SIDE = 32


def decode(file):
    return np.asarray(Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.BILINEAR))


def pack(images, names):
    """uint8 N x 3 x 32 x 32, labels, class names."""
    classes = sorted(set(names))
    x = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())
    return x, torch.tensor([classes.index(n) for n in names]), classes


def read_tar(path):
    """Images of an archive `.../<class>/*.jpg`, in order of their names."""
    with tarfile.open(path) as tar:
        files = sorted((m for m in tar.getmembers() if m.isfile()), key=lambda m: m.name)
        images = [decode(tar.extractfile(m)) for m in files]
    return pack(images, [Path(m.name).parent.name for m in files])


def read_folder(path):
    files = sorted(f for f in Path(path).glob("*/*") if f.is_file())
    return pack([decode(f) for f in files], [f.parent.name for f in files])


def thumbs(x):
    return F.avg_pool2d(x.float(), 4).flatten(1)


def copies(train, test, limit=6.0):
    """Indices of training images within `limit` levels (root mean square, at 8x8) of a test image."""
    a, b = thumbs(train), thumbs(test)
    near = torch.zeros(len(a), dtype=torch.bool)
    for lo in range(0, len(a), 2000):
        gap = torch.cdist(a[lo : lo + 2000], b).div_(math.sqrt(a.shape[1]))
        near[lo : lo + 2000] = gap.min(1).values < limit
    return near.nonzero().flatten()


def hold_out(y, per_class):
    """Masks (train, held out): the last `per_class` images of each class are held out."""
    held = torch.zeros(len(y), dtype=torch.bool)
    for c in y.unique():
        held[(y == c).nonzero().flatten()[-per_class:]] = True
    return ~held, held


def upsample(x, size):
    """Bytes to pixel / 255 at `size`, rounded to whole levels like those of a camera."""
    x = F.interpolate(x.float(), size=(size, size), mode="bilinear", align_corners=False)
    return x.round_().div_(255)


def uniform(n, lo, hi, gen):
    return torch.rand(n, 1, 1, 1, generator=gen) * (hi - lo) + lo


def recolour(x, gen):
    """Saturation (sometimes grey), contrast, channel gains, brightness, a rare negative, noise."""
    n = len(x)
    grey = x.mean(1, keepdim=True)
    saturation = uniform(n, 0.4, 1.6, gen) * (torch.rand(n, 1, 1, 1, generator=gen) > 0.15)
    x = grey + (x - grey) * saturation
    mean = grey.mean((2, 3), keepdim=True)
    x = (x - mean) * uniform(n, 0.6, 1.4, gen) + mean
    x = x * uniform(n, 0.7, 1.3, gen) * (torch.rand(n, 3, 1, 1, generator=gen) * 0.3 + 0.85)
    x = torch.where(torch.rand(n, 1, 1, 1, generator=gen) < 0.05, 1 - x, x)
    x = x + torch.randn(x.shape, generator=gen) * uniform(n, 0, 0.04, gen)
    return x.clamp_(0, 1)


def warp(x, size, gen):
    """Flip, rotation, zoom and shift, sampled directly at size x size."""
    n = len(x)
    flip = (torch.rand(n, generator=gen) < 0.5).float() * 2 - 1
    turn = (torch.rand(n, generator=gen) * 2 - 1) * math.radians(12)
    zoom = torch.rand(n, generator=gen) * 0.35 + 0.7
    shift = (torch.rand(n, 2, generator=gen) * 2 - 1) * (1.05 - zoom.view(-1, 1)).clamp(min=0.1)
    cos, sin = turn.cos() * zoom, turn.sin() * zoom
    rows = torch.stack([cos * flip, -sin, shift[:, 0], sin * flip, cos, shift[:, 1]], 1)
    grid = F.affine_grid(rows.view(n, 2, 3), (n, 3, size, size), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def erase(x, share, gen):
    """Covers a square with a random colour in a share of the images."""
    size = x.shape[-1]
    for i in (torch.rand(len(x), generator=gen) < share).nonzero().flatten().tolist():
        side = int(torch.randint(size // 6, size // 2, (1,), generator=gen))
        row, col = torch.randint(0, size - side, (2,), generator=gen).tolist()
        x[i, :, row : row + side, col : col + side] = torch.rand(3, 1, 1, generator=gen)
    return x


def augment(x, size, gen):
    return erase(warp(recolour(x.float().div(255), gen), size, gen), 0.25, gen)
