"""Features of sounds by TensorFlow's micro front end: stdin and stdout have sequences of int16, each behind its length in four bytes."""

import struct
import sys

from pymicro_features import MicroFrontend

data = sys.stdin.buffer.read()
at = 0
while at < len(data):
    (count,) = struct.unpack_from("<I", data, at)
    at += 4
    end = at + 2 * count
    front, features = MicroFrontend(), []
    # It takes 10 ms at a time, and gives multiples of 10 / 256.
    while at + 320 <= end:
        found = front.process_samples(data[at : at + 320])
        at += 2 * found.samples_read
        features += [int(value * 25.6) for value in found.features]
    at = end
    sys.stdout.buffer.write(struct.pack(f"<I{len(features)}h", len(features), *features))
