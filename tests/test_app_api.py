"""The running app through gradio_client, as another program would use it."""

import base64

import numpy as np
import pytest
import requests
import soundfile
from gradio_client import Client, handle_file
from PIL import Image

from demos.clip import controls as clip_controls
from demos.clip import work as clip_work
from demos.kit.collection import picture_of
from demos.kit.stops import Check
from demos.speculative_decoding import controls, work
from demos.speech_features.algorithm import extract
from demos.speech_features.controls import form_of
from demos.speech_features.figures import PANELS
from demos.speech_features.recipes import KALDI80, LECTURE, RECIPES, WHISPER
from demos.vision_transformer import controls as vit_controls
from demos.vision_transformer import work as vit_work
from tests.signals import RATE, SIGNALS

START = {
    "source": "My own sound",
    "own": None,
    "kind": "one tone",
    "first_hz": 1000,
    "second_hz": 3000,
    "preset": "LECTURE",
    "answer": None,
}
WIRE = {"f4": "<f4", "f2": "<f2", "i2": "<i2", "u1": "u1"}


@pytest.fixture(scope="module")
def client(app_url):
    return Client(app_url, verbose=False, download_files=False)


@pytest.fixture(scope="module")
def speech_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "speech.wav"
    soundfile.write(path, SIGNALS["speech"], RATE, subtype="FLOAT")
    return path


def call(client, recipe=LECTURE, **given):
    """said, picture, caption, formula, badge, verdict."""
    settings = START | vars(form_of(recipe)) | given
    return client.predict(**settings, api_name="/speech_features")


def arrays(app_url, picture):
    blob = requests.get(app_url + "gradio_api/file=" + picture["file"]["path"], timeout=20).content
    return {
        name: np.frombuffer(blob, WIRE[p["dtype"]], int(np.prod(p["shape"])), p["at"])
        .reshape(p["shape"])
        .astype(np.float64)
        * p.get("scale", 1.0)
        for name, p in picture["parts"].items()
    }


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda r: r.name)
def test_what_the_page_gets_is_what_the_algorithm_computes(client, app_url, speech_file, recipe):
    said, picture, caption, *_ = call(client, recipe, own=handle_file(speech_file))
    assert said == ""
    trace, got = extract(SIGNALS["speech"], RATE, recipe), arrays(app_url, picture)
    np.testing.assert_allclose(got["log_mel"], trace.log_mel, atol=1e-5)
    np.testing.assert_allclose(got["samples"], trace.samples, atol=1e-6)
    np.testing.assert_allclose(got["windowed"], trace.windowed, rtol=1e-3, atol=1e-6)
    power_db = 10 * np.log10(np.maximum(trace.power, 1e-11))
    np.testing.assert_allclose(got["power_db"], power_db, atol=0.04)  # half precision at 64 to 128 dB
    np.testing.assert_allclose(got["bank"], trace.filter_bank, rtol=1e-3, atol=1e-7)
    assert set(picture["panels"]) == set(PANELS)
    assert f"{trace.n_frames} × {recipe.n_mels}" in caption


def test_closeup_and_rebuilt_sound(client, speech_file):
    _, picture, *_ = call(client, WHISPER, own=handle_file(speech_file))
    at = {"key": picture["key"], "frame": 40, "band": 20, "bin": 30}
    near = client.predict(at, api_name="/speech_features_closeup")
    trace = extract(SIGNALS["speech"], RATE, WHISPER)
    assert near["cell"]["log_mel"] == pytest.approx(trace.log_mel[40, 20], abs=1e-6)
    assert sum(near["cell"]["products"]) == pytest.approx(near["cell"]["mel_energy"], rel=1e-12)
    assert near["wave"]["power"] == pytest.approx(trace.power[40, 30], rel=1e-5)
    sound = client.predict({"key": picture["key"]}, api_name="/speech_features_rebuild")
    samples = np.frombuffer(base64.b64decode(sound["samples"]), "<i2")
    assert (sound["rate"], len(samples)) == (RATE, 2 * RATE)
    assert np.abs(samples).max() > 1000


@pytest.mark.parametrize(
    "request_, words",
    [
        ({"key": "no such run", "frame": 0, "band": 0, "bin": 0}, "This run is no longer kept"),
        ({"frame": 0}, "must name key, frame, band, bin"),
        ({"key": "x", "frame": "a", "band": 0, "bin": 0}, "must name key, frame, band, bin"),
    ],
)
def test_a_closeup_that_cannot_be_says_why(client, request_, words):
    assert words in client.predict(request_, api_name="/speech_features_closeup")["error"]


def test_a_cell_outside_the_picture_says_its_range(client, speech_file):
    _, picture, *_ = call(client, own=handle_file(speech_file))
    at = {"key": picture["key"], "frame": 100000, "band": 0, "bin": 0}
    assert (
        "frame must be in 0..197; got 100000"
        in client.predict(at, api_name="/speech_features_closeup")["error"]
    )


@pytest.mark.parametrize(
    "given, words",
    [
        ({"own": None}, "A sound is expected: record one, upload a file or choose a sample."),
        ({"window_ms": 5, "source": "A chirp"}, "at least as long as the stride"),
        ({"n_fft": 64, "source": "A chirp"}, "n_fft must hold the window's 400 samples; got 64."),
        ({"fmax": 9000, "source": "A chirp"}, "half the sampling rate (8000 Hz); got 9000 Hz."),
        ({"window_ms": None, "source": "A chirp"}, "The window must be a number from 5 to 100 ms; got None."),
        ({"floor": 0, "source": "A chirp"}, "The floor of the log must be a number from 1e-20 to 1; got 0."),
        ({"source": "Tone generator", "first_hz": 20.0, "fmin": 7000, "fmax": 7000}, "got 7000 Hz"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_keeps_the_page(client, given, words):
    said, picture, *rest = call(client, **given)
    assert words in said
    assert "\n" not in said and "Traceback" not in said
    # Updates without a value: the picture and the texts stay as they were.
    assert all(x["__type__"] == "update" and not {"value", "file"} & set(x) for x in (picture, *rest))


def test_a_sound_shorter_than_a_window_says_both_lengths(client, tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, np.zeros(100), RATE)
    said = call(client, own=handle_file(path))[0]
    assert "at least one window (400 samples, 25 ms)" in said and "got 100 samples, 6.25 ms" in said


def test_the_server_goes_on_after_bad_input(client):
    for _ in range(5):
        assert call(client, window_ms=5, source="A clap")[0] != ""
    assert call(client, source="A clap")[0] == ""


def test_verdict_is_measured(client):
    alias = {"source": "Tone generator", "first_hz": 5000, "rate": 8000, "anti_alias": False}
    verdict = call(client, KALDI80, **alias, answer="3000")[-1]
    assert "✓ As you said" in verdict
    assert "was 5000 Hz before sampling and is 3000 Hz after" in verdict
    assert call(client, **(alias | {"anti_alias": True}), answer="3000")[-1] == ""
    assert call(client, **(alias | {"first_hz": 1000}), answer="3000")[-1] == ""


def test_every_public_event_has_a_name(client):
    api = client.view_api(return_format="dict")
    assert api["unnamed_endpoints"] == {}
    assert set(api["named_endpoints"]) == {
        "/clip_contrast",
        "/clip_draw",
        "/clip_ground",
        "/clip_where",
        "/clip_words_of",
        "/clip_zero_shot",
        "/pruning",
        "/pruning_equal_region",
        "/pruning_measure",
        "/pruning_region",
        "/pruning_rival",
        "/pruning_rivals",
        "/pruning_shear",
        "/pruning_sweep",
        "/pruning_weigh",
        "/pruning_write",
        "/quantization",
        "/quantization_measure",
        "/quantization_region",
        "/quantization_remember",
        "/quantization_sweep",
        "/quantization_weigh",
        "/quantization_write",
        "/speech_features",
        "/speech_features_closeup",
        "/speech_features_rebuild",
        "/speculative_decoding",
        "/speculative_decoding_court",
        "/vision_transformer",
        "/vision_transformer_change",
        "/vision_transformer_compare",
        "/vision_transformer_explain",
        "/vision_transformer_occlude",
    }
    names = [p["parameter_name"] for p in api["named_endpoints"]["/speech_features"]["parameters"]]
    assert "window_ms" in names and "param_7" not in names


def test_speculation_streams_what_the_algorithm_decides(client):
    """The tokens from the page's API beside the plain function's, block by block."""
    asked = controls.start(seed=5, draft_length=3)
    job = client.submit(**asked, answer=None, api_name="/speculative_decoding")
    said, remark, view, caption, formula, _ = job.result()
    *_, (race, words) = work.write(controls.settings_of(**asked), Check())
    assert (said, remark) == ("", "")
    assert [t for block in view["blocks"] for t in block["new"]] == list(race.speculative.tokens)
    assert [step["x"] for step in view["plain"]] == [step.token for step in race.plain]
    assert view["words"] == {str(token): text for token, text in words.items()}
    assert view["done"] and "48 tokens" in caption and "measured" in formula
    first, second = (client.submit(**asked, answer=None, api_name="/speculative_decoding") for _ in range(2))
    assert first.result()[2]["key"] == second.result()[2]["key"] == view["key"]  # one run for all three


def test_the_court_by_api(client):
    asked = {"prompt": "The wolf", "pair": controls.POCKET_PAIR, "temperature": 0.8}
    asked |= {"top_k": 0, "top_p": 1, "seed": 1, "samples": 3000}
    said, _, view, caption = client.predict(**asked, api_name="/speculative_decoding_court")
    *_, hearings = work.hold_court(controls.court_settings_of(**asked), Check())
    assert said == "" and view["samples"] == [500, 1000, 2000, 3000]
    for rule in view["rules"]:
        assert rule["first"][-1] == pytest.approx(hearings[-1].verdicts[rule["name"]].first, rel=1e-5)
    assert "3,000 samples" in caption
    refused = client.predict(**(asked | {"temperature": 0}), api_name="/speculative_decoding_court")
    assert refused[0] == "The court needs a temperature above 0; got 0, where p is one single token."


def test_a_pair_that_is_not_here_is_said_and_the_pocket_pair_goes_on(client):
    pair = "Qwen3-0.6B → Qwen3-1.7B"
    asked = controls.start(pair=pair, tokens=8)
    said, remark, view, *_ = client.predict(**asked, answer=None, api_name="/speculative_decoding")
    assert remark.startswith("Qwen3-0.6B and Qwen3-1.7B must be downloaded first")
    assert said == "" and len(view["plain"]) == 8


def test_a_picture_through_the_vision_transformer_by_api(client, app_url, tmp_path):
    """An upload, its bars and its attentions; then a question about the run."""
    Image.effect_noise((90, 60), 80).save(tmp_path / "noise.png")
    asked = vit_controls.start(source=vit_controls.OWN, own=handle_file(tmp_path / "noise.png"))
    said, remark, view, caption, *_ = client.predict(**asked, answer=None, api_name="/vision_transformer")
    assert (said, remark) == ("", "") and "65 vectors" in caption
    name, picture = vit_controls.picture_of(vit_controls.OWN, str(tmp_path / "noise.png"))
    run = vit_work.see(vit_controls.Settings(name, asked["model"]), picture.image)
    assert [bar["now"] for bar in view["bars"]] == pytest.approx(run.answer.tolist(), abs=1e-5)
    for layer, A in zip(view["layers"], run.trace.attentions, strict=True):
        np.testing.assert_allclose(arrays(app_url, layer)["A"], A, rtol=1e-3, atol=1e-6)
    changed = client.predict({"key": view["key"], "hidden": [0]}, api_name="/vision_transformer_change")
    assert changed["bars"] != view["bars"]
    for request in (None, [], {"key": "nobody"}):
        refused = client.predict(request, api_name="/vision_transformer_change")
        assert list(refused) == ["error"] and refused["error"].endswith((".", "run again."))


def test_pairs_and_labels_through_clip_by_api(client, app_url):
    """The contrast of the app's pairs, and labels for one of them, beside the plain functions."""
    model = next(iter(clip_controls.CHOICES))
    pairs = clip_controls.start_pairs()
    asked = {"asked": {"pairs": pairs}, "model": model, "answer": None}
    said, remark, view, caption, *_ = client.predict(*asked.values(), api_name="/clip_contrast")
    assert (said, remark) == ("", "") and "4 pictures with 4 captions" in caption
    pictures = [picture_of(pair["picture"]) for pair in pairs]
    run = clip_work.compare(model, pictures, [pair["caption"] for pair in pairs])
    np.testing.assert_allclose(arrays(app_url, view)["cosine"], run.trace.cosine, atol=1e-5)
    asked = {"model": model, "picture": pairs[0]["picture"], "labels": "dog\nfrog"}
    asked["template"] = next(iter(clip_controls.TEMPLATES))
    answer = client.predict(asked, api_name="/clip_zero_shot")
    assert answer["labels"] == ["dog", "frog"] and answer["softmax"][1] > 0.5
    refused, *_ = client.predict({"pairs": []}, model, None, api_name="/clip_contrast")
    assert refused == "3 to 16 pairs are expected; got 0."
    for request in (None, [], {"model": "x", "words": "y"}):
        assert list(client.predict(request, api_name="/clip_ground")) == ["error"]


def test_files_of_the_machine_are_not_served(app_url):
    for path in ("/etc/passwd", "app.py", "requirements.txt"):
        assert requests.get(f"{app_url}gradio_api/file={path}", timeout=10).status_code in (403, 404)


def test_too_large_an_upload_is_refused(app_url):
    answer = requests.post(
        f"{app_url}gradio_api/upload", files={"files": ("big.wav", b"0" * 28_000_000)}, timeout=60
    )
    assert answer.status_code == 413
