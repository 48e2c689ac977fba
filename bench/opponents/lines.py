"""Common part of the timed processes: a line in, a line of JSON out."""

import gc
import json
import sys
import time


def spans(run, n):
    """Nanoseconds of each of `n` calls; `run` is called with their indices."""
    found = []
    for i in range(n):
        start = time.perf_counter_ns()
        run(i)
        found.append(time.perf_counter_ns() - start)
    return found


def answer(value):
    print(json.dumps(value), flush=True)


def serve(about, commands):
    """Describes the process, then answers `NAME NUMBER...` until the input ends."""
    gc.disable()
    answer(about)
    for line in sys.stdin:
        name, *numbers = line.split()
        answer(commands[name](*map(int, numbers)))
