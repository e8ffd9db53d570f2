"""How the app is served: the settings that keep it safe, and what a Space reads from the README."""

from pathlib import Path

import gradio as gr
import yaml

from demos.catalog import SECTIONS, TOPICS
from demos.kit.page import build, launch

README = Path(__file__).parents[1] / "README.md"


def test_launch_settings(monkeypatch):
    said = {}
    monkeypatch.setattr(gr.Blocks, "launch", lambda self, **kw: said.update(kw))
    monkeypatch.setattr(gr.Blocks, "queue", lambda self, **kw: said.update(kw))
    with gr.Blocks() as app:
        gr.Markdown("x")
    launch(app, host=None, port=None, share=False)
    expected = {
        "share": False,
        "run_history": False,
        "strict_cors": True,
        "enable_monitoring": False,
        "max_file_size": "25mb",
        "max_size": 200,
        "footer_links": [],
    }
    assert expected.items() <= said.items()
    assert said["default_concurrency_limit"] > 1
    assert "allowed_paths" not in said


def test_a_page_holds_no_stream_open():
    """Over HTTP/1.1 a browser has six connections to a host; a page with gr.State would keep one."""
    app = build(TOPICS, SECTIONS)
    assert app.get_config_file()["connect_heartbeat"] is False


def test_front_matter_is_complete_and_true():
    _, front, _ = README.read_text(encoding="utf-8").split("---\n", 2)
    space = yaml.safe_load(front)
    assert space["sdk"] == "gradio" and space["sdk_version"] == gr.__version__
    assert (README.parent / space["app_file"]).is_file()
    assert {"title", "emoji", "license", "python_version"} <= set(space)
    assert isinstance(space["python_version"], str)  # 3.10 unquoted would be read as 3.1


def test_pictures_in_the_readme_exist():
    text = README.read_text(encoding="utf-8")
    pictures = [part.split(")")[0] for part in text.split("](assets/")[1:]]
    assert len(pictures) >= 4
    assert all((README.parent / "assets" / name).is_file() for name in pictures)
