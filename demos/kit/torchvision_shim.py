"""Let torchvision import beside a torch it was not built for.

Why this exists: the torchvision wheel on PyPI is built for CUDA. Beside a CPU-only torch its compiled
library cannot be loaded, so its operators stay unknown; torchvision then describes two of them (`nms`,
`qnms`) to torch's tracer without looking whether they exist, and its import ends in "operator
torchvision::nms does not exist". transformers and open_clip import torchvision, so they fail too.
Declaring the two operators, without giving them an implementation, is all that the import needs.
"""

import importlib.util
from pathlib import Path

SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def register_missing_operators() -> tuple[str, ...]:
    """Declare the operators that torchvision's import needs and that torch does not have.

    Returns the names declared: none where torchvision is absent, where its compiled library loads,
    or where an earlier call has declared them. Call it before importing transformers or open_clip.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return ()
    import torch  # here, because an app without such a model shall start without torch

    libraries = Path(spec.submodule_search_locations[0]).glob("_C*")
    if any(_loads(torch, library) for library in libraries):
        return ()
    missing = [name for name in SCHEMAS if not hasattr(torch.ops.torchvision, name)]
    for name in missing:
        torch.library.define(f"torchvision::{name}", SCHEMAS[name])
    return tuple(missing)


def _loads(torch, library: Path) -> bool:
    try:
        torch.ops.load_library(str(library))
    except (ImportError, OSError):
        return False
    return True
