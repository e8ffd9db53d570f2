"""What the page is made of, without a browser: pictures, words, controls, lesson, kit."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from demos.kit.lesson import read_lesson
from demos.kit.pack import WIRE_TYPES, pack
from demos.kit.predict import verdict
from demos.speech_features.algorithm import extract
from demos.speech_features.controls import (
    CHOICES,
    FORM_FIELDS,
    RANGES,
    Form,
    badge,
    form_of,
    recipe_of,
    sound_key,
    sound_of,
)
from demos.speech_features.figures import PANELS, STAGES, linked, mel_curves, signal_of, unit
from demos.speech_features.handlers import LESSON
from demos.speech_features.recipes import LECTURE, LIBROSA, RECIPES, SETTINGS, WHISPER, named
from demos.speech_features.widgets import BY_STAGE, LABELS
from demos.speech_features.words import TRIES, caption, formula, settings_of
from tests.signals import RATE, SIGNALS


def unpacked(packed):
    return {
        name: np.frombuffer(packed.blob, WIRE_TYPES[p["dtype"]], int(np.prod(p["shape"])), p["at"])
        .reshape(p["shape"])
        .astype(float)
        * p.get("scale", 1.0)
        for name, p in packed.parts.items()
    }


def test_pack_gives_back_what_went_in():
    a = np.random.default_rng(0).standard_normal((3, 5))
    got = unpacked(pack({"a": (a, "f4"), "b": (a[:1, :3], "f2"), "c": (a, "i2"), "d": (a * 0, "i2")}, {}))
    np.testing.assert_allclose(got["a"], a, atol=1e-6)
    np.testing.assert_allclose(got["b"], a[:1, :3], rtol=1e-3)
    np.testing.assert_allclose(got["c"], a, atol=np.abs(a).max() / 32767)
    assert (got["d"] == 0).all()


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_has_title_axes_and_units(panel):
    words = PANELS[panel]
    assert words.title and words.x and words.y
    with_unit = ("time", "frequency", "pitch", "input", "level", "error")
    for axis in (words.x, words.y):
        assert not axis.startswith(with_unit) or axis.endswith(")"), axis


def test_every_stage_has_its_text_and_every_panel_its_stage():
    assert len(STAGES) == len(LESSON.steps) == 7
    assert {p for stage in STAGES for p in stage.panels} | {"wave", "log_mel"} == set(PANELS)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("quantizer", ["none", "mid-tread"])
def test_the_pictures_hold_the_trace(name, quantizer):
    recipe = replace(RECIPES[name], quantizer=quantizer, bits=3)
    trace = extract(SIGNALS["speech"], RATE, recipe)
    packed = linked(trace, "key", "sound")
    got, facts = unpacked(packed), packed.facts
    for name_, same in facts["same"].items():
        got[name_] = got[same]
    start, hop, n = facts["start"], facts["hop"], facts["length"]
    for t in (0, 17, trace.n_frames - 1):  # the browser cuts its frames out of the signal
        frame = got["signal"][t * hop : t * hop + n]
        np.testing.assert_allclose(frame, trace.frames[t], atol=1e-6)
    quantized = got["signal"][-start : -start + 5000]
    np.testing.assert_allclose(quantized, trace.quantized[:5000], atol=1e-6)
    np.testing.assert_allclose(got["original"], trace.original, atol=2e-5)
    assert facts["unit"] == unit(recipe)
    loudest = np.unravel_index(facts["loudest"], (trace.n_frames,))[0]
    assert trace.power[loudest].sum() == trace.power.sum(axis=1).max()
    assert facts["bins"] == trace.power.shape[1] and facts["bands"] == recipe.n_mels


def test_signal_is_put_together_from_frames():
    trace = extract(SIGNALS["noise"], RATE, WHISPER)
    padded = np.pad(SIGNALS["noise"], 200, mode="reflect")
    signal = signal_of(trace)
    np.testing.assert_array_equal(signal, padded[: len(signal)])


def test_units():
    assert unit(LECTURE) == "ln energy"
    assert unit(LIBROSA) == "dB"
    assert unit(WHISPER) == "(log₁₀ energy +4)/4"


def test_mel_curves_meet_at_1000_hertz():
    curves = mel_curves(2000.0, points=3)
    assert curves[0].tolist() == [0, 1000, 2000]
    assert curves[1, 1] == pytest.approx(1000, abs=0.1)
    assert curves[2, 1] == pytest.approx(curves[3, 1], rel=1e-12)


@pytest.mark.parametrize("name", RECIPES)
def test_controls_hold_every_recipe_exactly(name):
    assert named(recipe_of(form_of(RECIPES[name]))) == name
    assert badge(recipe_of(form_of(RECIPES[name])), "LECTURE") == f"✓ equals **{name}**"


def test_every_setting_of_the_recipe_can_be_changed_on_the_page():
    changed = {
        "rate": 8000, "anti_alias": False, "quantizer": "mu-law", "bits": 5, "window_ms": 30.0,
        "stride_ms": 5.0, "window": "povey", "periodic": True, "padding": "reflect", "drop_last_frame": True,
        "remove_dc": True, "pre_emphasis": 0.5, "n_fft": 1024, "n_mels": 40, "fmin": 50.0, "fmax": 3000.0,
        "mel_scale": "slaney", "triangles": "mel", "mel_norm": "slaney", "log": "db", "floor": 1e-5,
        "dynamic_range": 60.0, "offset": 2.0, "scale": 3.0,
    }  # fmt: skip
    assert (
        set(changed)
        == set(FORM_FIELDS)
        == set(LABELS) - set()
        == {f for shown, more in BY_STAGE.values() for f in (*shown, *more)}
    )
    recipe, start = recipe_of(Form(**changed)), recipe_of(Form())
    assert all(getattr(recipe, s) != getattr(start, s) for s in SETTINGS)
    assert form_of(recipe) == Form(**changed)


def test_n_fft_and_fmax_follow_the_window_and_the_rate():
    recipe = recipe_of(Form(rate=8000, window_ms=50))
    assert (recipe.fft_samples, recipe.fmax_hz) == (512, 4000)
    assert recipe_of(Form(rate=48000)).fft_samples == 2048


def test_ranges_and_choices_cover_the_form():
    numbers = {f.name for f in fields(Form) if f.type in (float, "float")}
    assert set(RANGES) == numbers
    assert set(CHOICES) == {f.name for f in fields(Form) if f.type in (str, "str")}


@pytest.mark.parametrize("recipe", [LECTURE, replace(LECTURE, quantizer="mid-rise", bits=4), WHISPER])
def test_caption_and_formula_say_the_numbers_of_the_run(recipe):
    trace = extract(SIGNALS["speech"], RATE, recipe)
    text, maths = caption(trace, ("A notice.",)), formula(trace)
    assert text.startswith("ℹ A notice.")
    assert f"**{trace.n_frames} × {recipe.n_mels}**" in text
    assert f"{trace.log_mel.min():.3g} to {trace.log_mel.max():.3g}" in text
    assert f"={trace.bin_hz:.4g}" in maths
    if recipe.quantizer != "none":
        noise = trace.quantized - trace.samples
        snr = 10 * np.log10(np.mean(trace.samples**2) / np.mean(noise**2))
        assert f"**{snr:.1f} dB**, measured; 6.02 · 4 + 1.76 = 25.8 dB" in text


def test_empty_filters_are_pointed_out():
    trace = extract(SIGNALS["speech"], RATE, replace(LECTURE, n_mels=200))
    assert f"{len(trace.empty_filters)} of the 200 triangles are empty" in caption(trace, ())


def test_things_to_try_are_settings_that_work():
    names = ("source", "kind", "first_hz", "second_hz", "preset", *FORM_FIELDS)
    assert len(TRIES) == len(LESSON.tries) == 3
    for stage, changes in TRIES:
        settings = dict(zip(names, settings_of(changes), strict=True))
        assert changes.items() <= settings.items() and 1 <= stage <= 7
        sound = sound_of(settings["source"], None, *(settings[n] for n in ("kind", "first_hz", "second_hz")))
        extract(sound.samples, sound.rate, recipe_of(Form(**{n: settings[n] for n in FORM_FIELDS})))


def test_keys_of_sounds_are_plain_and_tell_sounds_apart():
    sound = sound_of("A clap", None, "one tone", 1000, 3000)
    assert sound_key("A clap", None, sound, "one tone", 1000, 3000) == ("A clap",)
    generated = {sound_key("Tone generator", None, sound, "one tone", hz, 3000) for hz in (1000, 1001)}
    assert len(generated) == 2
    other = replace(sound, samples=sound.samples * 0.5)
    assert sound_key("My own sound", "a", sound) != sound_key("My own sound", "a", other)


def test_verdict():
    answers = LESSON.answers
    assert verdict(LESSON, "3000", None, "") == ""
    assert verdict(LESSON, None, "3000", "E.") == f"**What happened:** E. That is: {answers['3000'].lower()}."
    assert verdict(LESSON, "3000", "3000", "E.").startswith("**✓ As you said**")
    assert verdict(LESSON, "gone", "3000", "E.").startswith("**✗ Not as you said**")


def test_lesson_has_its_parts_and_says_what_is_missing(tmp_path):
    assert 2 <= len(LESSON.answers) <= 4
    path = Path(tmp_path) / "lesson.md"
    path.write_text("# Title\nLead.\n\n## Predict\nWhich?\n- a: One\n- b: Two\n")
    with pytest.raises(ValueError, match=r"missing: \['Formula', 'Try', 'Exercise', 'Sources'\]"):
        read_lesson(path)
