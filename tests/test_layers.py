"""Who may import whom, and what a start of the app may load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEMOS = ROOT / "demos"
TOPICS = [p for p in DEMOS.iterdir() if p.is_dir() and p.name not in ("kit", "__pycache__")]
SCREEN = {
    "tab",
    "view",
    "widgets",
    "handlers",
    "questions",
    "whole",
    "effects",
    "pictures",
    "shears",
    "shear_handlers",
}  # may import gradio
# may import the kit's pure parts
PAGE = {"figures", "charts", "tables", "words", "controls", "panels"}
PAGE |= {"shear_controls", "shear_figures", "shear_words"}
# runs the models: may import all of the kit that is no screen
WORK = {"work", "trials", "against", "shear_work"}
CONTROLS = {"controls", "shear_controls"}  # what the visitor chose, which the work needs
PURE_KIT = {
    *(
        "demos.kit.collection",
        "demos.kit.gallery",
        "demos.kit.images",
        "demos.kit.inputs",
        "demos.kit.pack",
        "demos.kit.charting",
        "demos.kit.comparing",
        "demos.kit.compressing",
        "demos.kit.regions",
        "demos.kit.runs",
        "demos.kit.saying",
    ),
    "demos.kit.zoo",
}
WORK_KIT = PURE_KIT | {
    *(
        "demos.kit.device",
        "demos.kit.hub",
        "demos.kit.models",
        "demos.kit.language",
        "demos.kit.passes",
        "demos.kit.stops",
        "demos.kit.calibration",
        "demos.kit.writing",
    )
}
# Maths of the kit, torch only: every room may use it, and it uses no other part.
MATHS_KIT = {
    "demos.kit.blocks",
    "demos.kit.decoding",
    "demos.kit.sampling",
    "demos.kit.scores",
    "demos.kit.pairs",
    "demos.kit.timing",
}
PICTURES = {"PIL"}  # for those that hand a visitor's picture on
FILES = {"safetensors"}  # for those that weigh what is stored
MATHS = {"numpy", "scipy", "torch", "librosa", "soxr", "jaxtyping"}
MODULES = [path for topic in TOPICS for path in topic.glob("*.py") if path.stem != "__init__"]
# What a topic's work may take from another topic, to compare the two.
ALGORITHMS = {f"demos.{p.parent.name}.{p.stem}" for p in MODULES if p.stem not in SCREEN | PAGE | WORK}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Later":
            names.add(node.args[0].value)
    return {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("path", MODULES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_imports_run_one_way(path):
    topic = f"demos.{path.parent.name}."
    for name in imports(path):
        own = name.removeprefix(topic) if name.startswith(topic) else None
        if path.stem in SCREEN:
            assert name != "demos.catalog" and own != "tab"
        elif path.stem in PAGE:
            assert own not in SCREEN
            assert own or name in PURE_KIT | MATHS_KIT or name.split(".")[0] in MATHS | PICTURES, name
        elif path.stem in WORK:
            assert own not in SCREEN | PAGE - CONTROLS
            assert (
                own
                or name in WORK_KIT | MATHS_KIT | ALGORITHMS
                or name.split(".")[0] in MATHS | PICTURES | FILES
            ), name
        else:
            assert own not in SCREEN | PAGE | WORK
            assert own or name in MATHS_KIT or name.split(".")[0] in MATHS, name


def test_kit_does_not_know_the_topics():
    for path in (DEMOS / "kit").glob("*.py"):
        assert all(not n.startswith("demos.") or n.startswith("demos.kit.") for n in imports(path)), path


def test_the_kits_maths_stand_alone():
    for module in MATHS_KIT:
        for name in imports(DEMOS / "kit" / f"{module.split('.')[-1]}.py"):
            assert name in MATHS_KIT or name.split(".")[0] in MATHS, (module, name)


def test_packages_are_empty():
    assert all(not path.read_text() for path in DEMOS.rglob("__init__.py"))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda p: p.name)
def test_an_algorithm_works_alone(topic):
    loaded = loaded_by(f"import demos.{topic.name}.algorithm")
    assert not loaded & {"gradio", "plotly", "matplotlib", "demos.catalog"}


def test_the_app_starts_without_what_only_a_topic_needs():
    loaded = loaded_by("import app")
    assert "gradio" in loaded
    assert not loaded & {"torch", "transformers", "open_clip", "librosa.core", "scipy.signal", "matplotlib"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_imports_stand_at_the_top(path):
    body = ast.parse(path.read_text()).body
    top = {id(node) for node in body}
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Import | ast.ImportFrom) or node.col_offset == 0, path
    assert top


@pytest.mark.parametrize("path", MODULES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_files_stay_readable(path):
    limit = 120 if path.stem == "tab" else 250
    assert len(path.read_text().splitlines()) <= limit
