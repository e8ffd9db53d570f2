"""The page's controls: between what the widgets hold and what the algorithm takes.

On the page, lengths are in milliseconds and 0 stands for "follows from the other settings".
"""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from demos.kit.inputs import InputError, Sound, check_choice, check_number, read_sound
from demos.speech_features.recipes import RECIPES, Recipe, named
from demos.speech_features.sampling import chirp, tone, two_tones

SAMPLES = Path(__file__).parents[2] / "assets" / "samples" / "speech"
GENERATOR, OWN = "Tone generator", "My own sound"
SOUNDS = {
    "A spoken sentence": "sentence.wav",
    "The vowel [iy]": "vowel_iy.wav",
    "A chirp": "chirp.wav",
    "Two tones": "two_tones.wav",
    "A clap": "clap.wav",
    "Silence": "silence.wav",
}
SOURCES = (*SOUNDS, GENERATOR, OWN)
TONES = ("one tone", "two tones", "chirp")
TONE_RATE, TONE_SECONDS = 48000, 1.0

NONE = "none"


@dataclass(frozen=True)
class Form:
    """What the recipe's widgets hold, in the order of the page. Lengths in ms, frequencies in Hz."""

    rate: float = 16000
    anti_alias: bool = True
    quantizer: str = NONE
    bits: float = 8
    window_ms: float = 25
    stride_ms: float = 10
    window: str = "hamming"
    periodic: bool = False
    padding: str = NONE
    drop_last_frame: bool = False
    remove_dc: bool = False
    pre_emphasis: float = 0
    n_fft: float = 0
    n_mels: float = 80
    fmin: float = 0
    fmax: float = 0
    mel_scale: str = "lecture"
    triangles: str = "hz"
    mel_norm: str = NONE
    log: str = "ln"
    floor: float = 1e-10
    dynamic_range: float = 0
    offset: float = 0
    scale: float = 1


FORM_FIELDS = tuple(field.name for field in fields(Form))

# What each number may be: low, high, unit. Sliders on the page have the same ends.
RANGES = {
    "rate": ("The sampling rate", 2000, 48000, "Hz"),
    "bits": ("The number of bits", 1, 16, "bits"),
    "window_ms": ("The window", 5, 100, "ms"),
    "stride_ms": ("The stride", 2, 25, "ms"),
    "pre_emphasis": ("The pre-emphasis", 0, 0.99, ""),
    "n_fft": ("n_fft", 0, 8192, "samples"),
    "n_mels": ("The number of mel bands", 4, 256, "bands"),
    "fmin": ("The lowest frequency", 0, 24000, "Hz"),
    "fmax": ("The highest frequency", 0, 24000, "Hz"),
    "floor": ("The floor of the log", 1e-20, 1, ""),
    "dynamic_range": ("The range kept below the maximum", 0, 200, ""),
    "offset": ("The offset", -1000, 1000, ""),
    "scale": ("The divisor", 1e-3, 1000, ""),
}
CHOICES = {
    "quantizer": ("The quantizer", (NONE, "mid-rise", "mid-tread", "mu-law")),
    "window": ("The window's shape", ("rectangular", "hamming", "hann", "povey")),
    "padding": ("The padding", (NONE, "reflect", "constant")),
    "mel_scale": ("The mel scale", ("lecture", "htk", "slaney")),
    "triangles": ("The triangles' space", ("hz", "mel")),
    "mel_norm": ("The norm of the triangles", (NONE, "slaney")),
    "log": ("The logarithm", ("ln", "log10", "db")),
}


def form_of(recipe: Recipe) -> Form:
    """The widgets' values for a recipe."""
    rate = recipe.sample_rate
    follows = 1 << (recipe.window_samples - 1).bit_length()
    return Form(
        rate=rate,
        anti_alias=recipe.anti_alias,
        quantizer=recipe.quantizer,
        bits=Form.bits if recipe.quantizer == NONE else recipe.bits,
        window_ms=round(recipe.window_samples / rate * 1000, 2),
        stride_ms=round(recipe.hop_samples / rate * 1000, 2),
        window=recipe.window,
        periodic=recipe.periodic,
        padding=recipe.center or NONE,
        drop_last_frame=recipe.drop_last_frame,
        remove_dc=recipe.remove_dc,
        pre_emphasis=recipe.pre_emphasis,
        n_fft=0 if recipe.fft_samples == follows else recipe.fft_samples,
        n_mels=recipe.n_mels,
        fmin=recipe.fmin,
        fmax=0 if recipe.fmax_hz == rate / 2 else recipe.fmax_hz,
        mel_scale=recipe.mel_scale,
        triangles=recipe.triangles,
        mel_norm=recipe.mel_norm or NONE,
        log=recipe.log,
        floor=recipe.floor,
        dynamic_range=recipe.dynamic_range or 0,
        offset=recipe.offset,
        scale=recipe.scale,
    )


def recipe_of(form: Form) -> Recipe:
    """The recipe that the widgets describe. Raises InputError with what was expected and what came."""
    n = {name: check_number(words[0], getattr(form, name), *words[1:]) for name, words in RANGES.items()}
    c = {name: check_choice(what, getattr(form, name), of) for name, (what, of) in CHOICES.items()}
    rate = round(n["rate"])
    try:
        return Recipe(
            name="own",
            source="set on the page",
            sample_rate=rate,
            anti_alias=bool(form.anti_alias),
            quantizer=c["quantizer"],
            # Without a quantizer the bits mean nothing; one value keeps equal settings equal.
            bits=round(n["bits"]) if c["quantizer"] != NONE else 16,
            window=c["window"],
            periodic=bool(form.periodic),
            window_samples=round(n["window_ms"] * rate / 1000),
            hop_samples=round(n["stride_ms"] * rate / 1000),
            n_fft=round(n["n_fft"]) or None,
            center=_or_none(c["padding"]),
            drop_last_frame=bool(form.drop_last_frame),
            remove_dc=bool(form.remove_dc),
            pre_emphasis=n["pre_emphasis"],
            mel_scale=c["mel_scale"],
            triangles=c["triangles"],
            mel_norm=_or_none(c["mel_norm"]),
            n_mels=round(n["n_mels"]),
            fmin=n["fmin"],
            fmax=n["fmax"] or None,
            log=c["log"],
            floor=n["floor"],
            dynamic_range=n["dynamic_range"] or None,
            offset=n["offset"],
            scale=n["scale"],
        )
    except ValueError as error:
        raise InputError(str(error)) from None


def badge(recipe: Recipe, preset: str) -> str:
    """One line: which named recipe the setting equals, or in what it differs from the one chosen."""
    name = named(recipe)
    if name:
        return f"✓ equals **{name}**"
    mine, theirs = form_of(recipe), form_of(RECIPES[preset])
    differ = [f for f in FORM_FIELDS if getattr(mine, f) != getattr(theirs, f)]
    words = ", ".join(name.replace("_", " ") for name in differ)
    return f"✎ your own; differs from **{preset}** in: {words}"


def sound_of(source: str, own: str | None, kind: str, first_hz: float, second_hz: float) -> Sound:
    """The visitor's sound: a bundled one, a generated one, or their file. Raises InputError."""
    check_choice("The sound", source, SOURCES)
    if source == OWN:
        return read_sound(own)
    if source != GENERATOR:
        return read_sound(SAMPLES / SOUNDS[source])
    check_choice("The kind of tone", kind, TONES)
    nyquist = TONE_RATE / 2
    first = check_number("The first frequency", first_hz, 20, nyquist, "Hz")
    if kind == "one tone":
        return Sound(tone(first, TONE_SECONDS, TONE_RATE), TONE_RATE)
    second = check_number("The second frequency", second_hz, 20, nyquist, "Hz")
    make = two_tones if kind == "two tones" else chirp
    return Sound(make(first, second, TONE_SECONDS, TONE_RATE), TONE_RATE)


def sound_key(source: str, own: str | None, sound: Sound, *tones: object) -> tuple:
    """Plain values that name the sound: equal ones give equal runs."""
    if source == OWN:
        return (source, sound.rate, _digest(sound.samples))
    return (source, *tones) if source == GENERATOR else (source,)


def _digest(samples: np.ndarray) -> str:
    return hashlib.sha256(samples.tobytes()).hexdigest()


def _or_none(word: str) -> str | None:
    return None if word == NONE else word
