"""The app with tiny random models in the place of the hub's, so that their pages can be used offline.

A CLIP with a bias and a tower of its own (SigLIP's layout), a Vision Transformer with many classes, and one
without any but with registers. Everything else is the app as it is.
"""

import runpy
import sys
import tempfile
from pathlib import Path

import torch

from demos.kit import hub, models
from demos.kit.clips import read
from tests.tiny_clip import write_tiny_clip

from transformers import (  # isort: skip, after demos.kit.models has made it importable
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)


def tiny(spec, device, dtype):
    """A model of the class that the row names, and its reader."""
    torch.manual_seed(0)
    if spec.framework == "open_clip":
        folder = Path(tempfile.mkdtemp())
        write_tiny_clip(folder, "siglip")
        return read(folder, spec.title, dtype)
    if spec.loader == "Dinov2WithRegistersModel":
        config = Dinov2WithRegistersConfig(
            image_size=42, patch_size=7, hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_register_tokens=4,
        )  # fmt: skip
        model, side = Dinov2WithRegistersModel(config), 42
    else:
        config = ViTConfig(
            image_size=48, patch_size=8, hidden_size=60, num_hidden_layers=3, num_attention_heads=6,
            intermediate_size=64, num_labels=30, initializer_range=0.4,
        )  # fmt: skip
        model, side = ViTForImageClassification(config), 48
    return model.eval().requires_grad_(False), ViTImageProcessor(size={"height": side, "width": side})


def main() -> None:
    shipped = models.read
    models.SHELF._read = lambda spec, *where: (shipped if spec.source == "pocket" else tiny)(spec, *where)
    hub.on_disk = lambda spec: True
    sys.argv[0] = "app.py"
    runpy.run_path("app.py", run_name="__main__")


if __name__ == "__main__":
    main()
