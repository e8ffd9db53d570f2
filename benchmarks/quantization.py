"""`quantize` against bitsandbytes and torchao on one large matrix, and the memory it takes meanwhile.

What `quantize` returns has the codes, the values back and the error. Its peers are timed twice: as far as
the codes, and with their way back to the values. All on one thread: with more, a busy machine's scheduler
decides, and not the work.
"""

import gc
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import bitsandbytes.functional as bnb
import torch
from torch import nn
from torchao.quantization import IntxWeightOnlyConfig, PerGroup, quantize_

from benchmarks.timing import Row, interleaved
from demos.kit.calibration import AT_ONCE, HELD_OUT
from demos.kit.compressing import CHOICES
from demos.kit.language import sequences
from demos.kit.models import load
from demos.kit.scores import score
from demos.quantization.algorithm import quantize
from demos.quantization.controls import POCKET, plan_of
from demos.quantization.scheme import INT4_G128, NF4, SCHEMES, Scheme
from demos.quantization.work import change

SIDE, GOAL, MEMORY = 4096, 1.5, 6
MIB = 2**20


def rows() -> Iterator[Row]:
    weight = torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 0.02
    yield from _times(
        "NF4", NF4, weight, "bitsandbytes' NF4",
        lambda: bnb.quantize_4bit(weight, quant_type="nf4"), lambda kept: bnb.dequantize_4bit(*kept),
    )  # fmt: skip
    yield from _times(
        "int4-g128", INT4_G128, weight, "torchao IntxWeightOnlyConfig int4",
        lambda: _torchao(weight), lambda kept: kept.dequantize(),
    )  # fmt: skip
    for scheme in (NF4, INT4_G128):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.quantization", scheme.name],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        size = SIDE * SIDE * 4 / MIB
        yield Row(
            f"peak memory, {scheme.name}",
            "the matrix itself",
            float(done.stdout),
            size,
            "MiB",
            MEMORY,
        )
    yield from _whole()


def _whole() -> Iterator[Row]:
    """The whole pocket model in few bits and its perplexity, as the page measures it, nothing kept."""
    with load(CHOICES[POCKET][0]) as loaded:
        ids = sequences(loaded, "held_out", HELD_OUT)

        def read(model: nn.Module) -> list:
            return list(score(model, loaded.model, ids, at_once=AT_ONCE))

        def requantized(scheme: str) -> list:
            *_, state = change(loaded, plan_of(POCKET, scheme, 32, 6, {}), lambda: None)
            return read(state.model)

        for name in ("int4 absmax", "GPTQ, int4", "AWQ, int4"):
            calls = {"ours": partial(requantized, name), "read": partial(read, loaded.model)}
            took = interleaved(calls, rounds=3)
            what = f"pocket model in {name}, and perplexity"
            yield Row(what, "reading the text by two full models", took["ours"], took["read"], "ms")


def _times(name: str, scheme: Scheme, weight, peer: str, there, back) -> Iterator[Row]:
    calls = {"ours": lambda: quantize(weight, scheme), "codes": there, "both": lambda: back(there())}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        took = interleaved(calls, rounds=7)
    finally:
        torch.set_num_threads(threads)
    for key, words in (("codes", peer), ("both", f"{peer}, and back")):
        yield Row(f"quantize, {name}, {SIDE}², one thread", words, took["ours"], took[key], "ms", GOAL)


def _torchao(weight: torch.Tensor) -> torch.Tensor:
    linear = nn.Linear(SIDE, SIDE, bias=False, device="meta")
    linear.weight = nn.Parameter(weight, requires_grad=False)
    model = nn.Sequential(linear)
    quantize_(model, IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(128)))
    return model[0].weight


def peak_mib(scheme: Scheme) -> float:
    """How far the memory of this process rises above what it holds before the call, at most. Linux only."""
    quantize(torch.randn(256, 256), scheme)  # what is loaded at the first call is not the matrix's memory
    weight = torch.randn(SIDE, SIDE)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts again from here
    before = _status("VmRSS")
    trace = quantize(weight, scheme)
    peak = _status("VmHWM") - before
    del trace
    return peak


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    print(peak_mib(SCHEMES[sys.argv[1]]))
