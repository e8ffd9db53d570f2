"""The kit's small parts: late imports, shown source, stop buttons, messages of handlers that stream."""

import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import gradio as gr
import pytest
from gradio_client import Client

from demos.kit import decoding, passes
from demos.kit.events import answering
from demos.kit.inputs import InputError
from demos.kit.source import source_of
from demos.kit.stops import StoppedError, Stops
from demos.kit.widgets import slider
from demos.speculative_decoding import algorithm

ROOT = Path(__file__).parents[1]


def test_a_module_is_loaded_with_its_first_use():
    code = (
        "import sys; from demos.kit.later import Later; colour = Later('colorsys')\n"
        "before = 'colorsys' in sys.modules; value = colour.rgb_to_hsv(1, 0, 0)\n"
        "print(before, 'colorsys' in sys.modules, value)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split(maxsplit=2) == ["False", "True", "(0.0, 1.0, 1)\n"]


def test_the_source_shown_is_the_source_that_runs():
    path = Path(algorithm.__file__)
    functions = [algorithm.accept, algorithm.residual]
    shown = source_of(path, "accept", "residual")
    assert shown == "\n\n\n".join(inspect.getsource(f).rstrip() for f in functions)
    assert source_of(Path(decoding.__file__), "Pass").startswith("@dataclass(frozen=True)\nclass Pass:")
    with pytest.raises(KeyError, match="nothing"):
        source_of(path, "nothing")


def test_states_are_thinned_but_the_last_is_shown(monkeypatch):
    assert list(passes.to_the_last(iter(()))) == []
    monkeypatch.setattr(passes, "PAUSE", 1000.0)
    assert list(passes.to_the_last(iter("abcd"))) == ["a", "d"]
    assert list(passes.to_the_last(iter("a"))) == ["a"]
    assert list(passes.now_and_then(iter("abcd"))) == ["a"]
    monkeypatch.setattr(passes, "PAUSE", 0.0)
    assert list(passes.to_the_last(iter("abcd"))) == [*"abcd"] == list(passes.now_and_then(iter("abcd")))


def test_a_stop_reaches_every_run_of_its_session_and_no_other():
    stops = Stops()
    with stops.run("a") as one, stops.run("a") as two, stops.run("b") as other:
        one(), two()
        stops.stop("a")
        stops.stop("nobody")
        for check in (one, two):
            with pytest.raises(StoppedError):
                check()
        other()
    with stops.run("a") as again:
        again()
    assert stops._checks == {}  # what has ended is forgotten


def test_a_check_goes_to_another_process():
    stops = Stops()
    with stops.run("a") as check:
        stops.stop("a")
        pickle.loads(pickle.dumps(check))()


def test_a_streaming_handler_says_what_was_wrong_and_keeps_what_it_had_shown():
    def handler(n):
        yield (n,)
        raise InputError("A larger number is expected; got 1.")

    said = list(answering(handler, 1)(1))
    assert said[0] == ("", 1)
    assert said[1] == ("A larger number is expected; got 1.", gr.skip())

    def bug(n):
        yield (n,)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(answering(bug, 1)(1))


def test_a_slider_hands_on_what_was_typed_also_after_an_update():
    """An update makes Gradio build the component anew for this visitor."""
    with gr.Blocks(analytics_enabled=False) as app:
        number, got, button = slider(0, 10, 5, step=1, label="Number"), gr.JSON(), gr.Button()
        button.click(lambda value: [value], number, got, api_name="got")
        button.click(lambda: gr.update(value=7), None, number, api_name="updated")
    app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        client = Client(app.local_url, verbose=False)
        for _ in range(2):
            assert client.predict(99, api_name="/got") == [99]
            assert client.predict(None, api_name="/got") == [None]
            client.predict(api_name="/updated")
        described = [c["type"] for c in app.get_config_file()["components"]]
        assert "slider" in described  # the browser draws it as a gr.Slider
    finally:
        app.close()
    assert list((ROOT / "demos" / "kit").glob("*.pyi")) == []
