"""What is pretrained: a network, its samples, and how they become its input."""
from pathlib import Path

import numpy as np
import torch

import data
from net import GESTURES, XS


class Images:
    """Bytes of images in class folders, fed as pixel / 255."""

    shape, input = XS, {"name": "image", "scale": np.float32(1 / 255), "zero": -128}
    sizes = [48] * 24 + [64] * 24  # of each epoch

    @staticmethod
    def load(train, test):
        """Training and held-out images, none of them a copy of a test image, and the test images."""
        x, y, classes = data.read_tar(train)
        test_x, test_y, test_classes = data.read_folder(test)
        assert classes == test_classes
        keep = torch.ones(len(x), dtype=torch.bool)
        keep[data.copies(x, test_x)] = False
        print(f"{int((~keep).sum())} copies left out", flush=True)
        x, y = x[keep], y[keep]
        kept, held = data.hold_out(y, 100)
        return (x[kept], y[kept]), (x[held], y[held]), (test_x, test_y)

    @staticmethod
    def held_out(train):
        x, y, _ = data.read_tar(train)
        return x[data.hold_out(y, 100)[1]]

    @staticmethod
    def inputs(x, size=64):
        return data.upsample(x, size)

    @staticmethod
    def augmented(x, size, gen):
        return data.augment(x, size, gen)


class Gestures:
    """Recordings that gestures.mjs has drawn, int8, fed as q / 128. They are many, and each is another: none is changed."""

    shape, input = GESTURES, {"name": "series", "scale": np.float32(1 / 128), "zero": 0}
    sizes = [96] * 6

    @staticmethod
    def read(folder, split):
        x, y = (np.load(Path(folder) / f"{split}-{what}.npy") for what in "xy")
        return torch.from_numpy(x.transpose(0, 2, 1)[:, :, None].copy()), torch.from_numpy(y.astype(np.int64))

    @classmethod
    def load(cls, train, test):
        x, y = cls.read(train, "train")
        kept, held = data.hold_out(y, 100)
        return (x[kept], y[kept]), (x[held], y[held]), cls.read(test, "test")

    @classmethod
    def held_out(cls, train):
        x, y = cls.read(train, "train")
        return x[data.hold_out(y, 100)[1]]

    @staticmethod
    def inputs(x, size=None):
        return x.float() / 128

    @classmethod
    def augmented(cls, x, size, gen):
        return cls.inputs(x)


TASKS = {"images": Images, "gestures": Gestures}
