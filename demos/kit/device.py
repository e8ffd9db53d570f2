"""Where the models run."""

import importlib.util
import runpy
import sys
from pathlib import Path


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
