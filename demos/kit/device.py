"""Where the models run, and in which type."""

import importlib.util
import inspect
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch  # only for the annotation: the app starts without it


def device_name() -> str:
    """What computes here, in words: "CPU", "Apple GPU" or the graphics card's name.

    A torch that was built without a GPU is recognised by its version file, without loading torch,
    which would cost every start of the app some two seconds.
    """
    spec = importlib.util.find_spec("torch")
    version = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    if version["cuda"] is None and version["hip"] is None and sys.platform != "darwin":
        return "CPU"
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "Apple GPU" if torch.backends.mps.is_available() else "CPU"


def device() -> str:
    """The device that torch computes on here: "cuda", "mps" or "cpu"."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def dtype_for(device: str) -> "torch.dtype":
    """The type that models are loaded in: 16 bits on a GPU, float32 on a CPU, where it is the faster."""
    import torch

    match device.partition(":")[0]:
        case "cuda":
            # Cards before Ampere only imitate bfloat16, slowly.
            native = torch.cuda.is_bf16_supported(including_emulation=False)
            return torch.bfloat16 if native else torch.float16
        case "mps":
            return torch.float16
    return torch.float32


def on_gpu(seconds: int) -> Callable[[Callable], Callable]:
    """A decorator for what needs the GPU: on ZeroGPU it is lent for up to `seconds`, elsewhere it is there.

    Raises TypeError for an async function, which ZeroGPU cannot run in its own process.
    """

    def decorate(function: Callable) -> Callable:
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"on_gpu takes a plain function or generator; {function.__name__} is async.")
        if os.environ.get("SPACES_ZERO_GPU", "").lower() not in ("1", "t", "true"):
            return function
        import spaces

        return spaces.GPU(duration=seconds)(function)

    return decorate
