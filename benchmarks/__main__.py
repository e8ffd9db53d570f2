"""`make bench`: every goal of speed as a ratio against a peer, measured in one run."""

import os
import platform

from benchmarks import page, quantization, speculation, speech, vision
from benchmarks.timing import HEAD

if __name__ == "__main__":
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n{HEAD}")
    for topic in (speech, speculation, quantization, vision, page):
        for row in topic.rows():
            print(row, flush=True)
