"""The shim beside a torchvision that cannot load, one that can, and none: each in its own process."""

import os
import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
REGISTER = "from demos.kit.torchvision_shim import register_missing_operators as register\n"


def run(code: str, *folders: Path) -> str:
    path = os.pathsep.join(map(str, (*folders, ROOT)))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_everything_that_needs_torchvision_imports_after_it():
    said = run(
        REGISTER + "print(register(), register())\n"
        "import torchvision, open_clip, transformers\n"
        "from transformers import CLIPImageProcessor, ViTForImageClassification\n"
        "print(torchvision.ops.__name__)"
    )
    alone = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, text=True)
    if alone.returncode:  # a CPU torch beside PyPI's torchvision
        assert "operator torchvision::nms does not exist" in alone.stderr
        assert said.splitlines()[0] == "('nms', 'qnms') ()"
    else:
        assert said.splitlines()[0] == "() ()"


def test_nothing_is_done_where_the_library_loads(tmp_path):
    """A torchvision whose compiled part loads: here, one of torch's own libraries under its name."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").touch()
    library = next((Path(torch.__file__).parent / "lib").glob("libtorch_global_deps.*"))
    (package / "_C.so").symlink_to(library)
    said = run(REGISTER + "import torch; print(register(), hasattr(torch.ops.torchvision, 'nms'))", tmp_path)
    assert said == "() False"


def test_nothing_is_done_where_there_is_no_torchvision(tmp_path):
    (tmp_path / "torchvision.py").touch()  # a module, not the package
    assert run(REGISTER + "print(register())", tmp_path) == "()"
