"""What requirements.txt promises about versions that must go together."""

import re
from importlib.metadata import version
from pathlib import Path

import gradio
from packaging.requirements import Requirement
from plotly.offline import get_plotlyjs_version

LINES = (Path(__file__).parents[1] / "requirements.txt").read_text().splitlines()
PINS = {r.name: r.specifier for r in map(Requirement, (x for x in LINES if x and x[0] != "#"))}


def test_plotly_and_gradio_carry_the_same_plotly_js():
    assets = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    (script,) = assets.rglob("PlotlyPlot-*.js")
    # plotly.js keeps its version in a module of its own; the minifier chose the quotes.
    found = re.findall(r"=>\{\w+\.version=[`'\"](\d+\.\d+\.\d+)[`'\"]\}", script.read_text())
    assert found == [get_plotlyjs_version()]


def test_torch_admits_what_gpu_spaces_carry_and_what_a_fresh_install_takes():
    assert "2.11.0" in PINS["torch"] and "2.13.0" in PINS["torch"]
    assert "2.14.0" not in PINS["torch"]


def test_what_is_installed_is_what_is_pinned():
    for name, pin in PINS.items():
        assert version(name).split("+")[0] in pin, name
    assert version("gradio").startswith("6.31.")
    assert version("transformers").startswith("5.")
