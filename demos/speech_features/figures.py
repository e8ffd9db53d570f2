"""A run's trace -> what the linked canvases draw. Pure functions; nothing is computed here that the
lesson talks about.

The pictures are canvases and not Plotly figures because they follow one cursor within a frame of
the screen, which Plotly's redrawing cannot, and because they change with the dark switch.
"""

from dataclasses import asdict, dataclass

import numpy as np

from demos.kit.pack import Packed, pack
from demos.speech_features.algorithm import SpeechTrace
from demos.speech_features.mel import hz_to_mel
from demos.speech_features.recipes import Recipe
from demos.speech_features.sampling import (
    audible,
    decibels,
    levels_of,
    sine_snr_db,
    snr_db,
    spectrum_db,
    strongest_hz,
)


@dataclass(frozen=True)
class Panel:
    """A picture's words: its title, and what its axes show, with units."""

    title: str
    x: str
    y: str


@dataclass(frozen=True)
class Stage:
    """A step of the story: its name, its panels in order, and which of them take a whole row."""

    name: str
    panels: tuple[str, ...]
    wide: tuple[str, ...] = ()
    layout: str = ""


PANELS = {
    "wave": Panel("Waveform", "time (ms)", "amplitude (full scale)"),
    "log_mel": Panel("Log-mel spectrogram: frames × bands", "time (ms)", "mel band"),
    "zoom": Panel("40 ms around the cursor", "time (ms)", "amplitude (full scale)"),
    "points": Panel("The curve and its samples", "time (ms)", "amplitude (full scale)"),
    "spectra": Panel("The whole sound before and after sampling", "frequency (kHz)", "power (dB)"),
    "levels": Panel("Samples (line) and their levels (steps)", "time (ms)", "amplitude"),
    "error": Panel("What rounding changed", "time (ms)", "error (full scale)"),
    "staircase": Panel("From input to level", "input (full scale)", "level (full scale)"),
    "overlap": Panel("Overlapping windows", "time (ms)", "amplitude (full scale)"),
    "frame": Panel("One frame, before and after the window", "time in the frame (ms)", "amplitude"),
    "frames": Panel("All frames, amplitude as colour", "sample in the window", "frame"),
    "spectrum": Panel("Spectrum of the frame", "frequency (Hz)", "power (dB)"),
    "cosine": Panel("Frame × cosine: the real part", "time in the frame (ms)", "amplitude"),
    "sine": Panel("Frame × sine: the imaginary part", "time in the frame (ms)", "amplitude"),
    "filters": Panel("The triangles over this frame's spectrum", "frequency (Hz)", "weight"),
    "curve": Panel("From hertz to mel", "frequency (Hz)", "pitch (mel)"),
    "linear": Panel("Mel energies", "mel band", "energy"),
    "logarithm": Panel("Their logarithm", "mel band", "log energy"),
    "final": Panel("What the model gets", "mel band", "feature"),
}

STAGES = (
    Stage("Waveform", ("zoom",), wide=("zoom",)),
    Stage("Sampling", ("points", "spectra")),
    Stage("Quantization", ("levels", "staircase", "error"), wide=("error",)),
    Stage("Windowing", ("overlap", "frame", "frames"), wide=("overlap",)),
    Stage("DFT", ("spectrum", "cosine", "sine"), wide=("spectrum",)),
    Stage("Mel filters", ("filters", "curve")),
    Stage("Log", ("linear", "logarithm", "final"), layout="three"),
)

LOG_WORDS = {"ln": "ln energy", "log10": "log₁₀ energy", "db": "dB"}


def unit(recipe: Recipe) -> str:
    """The unit of log_mel under this recipe, for axes, colour bars and captions."""
    words = LOG_WORDS[recipe.log]
    if recipe.offset == 0 and recipe.scale == 1:
        return words
    return f"({words} {recipe.offset:+g})/{recipe.scale:g}".replace("-", "−")


def signal_of(trace: SpeechTrace) -> np.ndarray:
    """The samples that the frames were cut from, padding included, put together from the frames."""
    if first_sample(trace) == 0:
        return trace.quantized
    hop = trace.recipe.hop_samples
    return np.concatenate([trace.frames[:-1, :hop].ravel(), trace.frames[-1]])


def snr_words(trace: SpeechTrace) -> str:
    """The measured signal-to-noise ratio of the rounding beside the formula for a full-scale sine."""
    if trace.recipe.quantizer == "none":
        return "no quantizer: choose one, and the number of bits"
    measured = snr_db(trace.samples, trace.quantized)
    if not np.isfinite(measured):
        return "rounding changed nothing" if measured > 0 else "silence: there is no signal to compare"
    bits = trace.recipe.bits
    return f"SNR measured {measured:.1f} dB; 6.02 · {bits} + 1.76 = {sine_snr_db(bits):.1f} dB"


def first_sample(trace: SpeechTrace) -> int:
    """Where frame 0 starts, in samples of `trace.samples`: negative where the recipe pads."""
    return round(float(trace.frame_starts_s[0]) * trace.recipe.sample_rate)


def mel_curves(top_hz: float, points: int = 160) -> np.ndarray:
    """Rows [4, points]: hertz; the lecture's mel; HTK's; Slaney's, scaled to meet HTK's at 1 kHz."""
    hz = np.linspace(0.0, top_hz, points)
    meet = hz_to_mel(np.array([1000.0]), "htk") / hz_to_mel(np.array([1000.0]), "slaney")
    return np.stack([hz, hz_to_mel(hz, "lecture"), hz_to_mel(hz, "htk"), hz_to_mel(hz, "slaney") * meet])


def linked(trace: SpeechTrace, key: str, sound: str) -> Packed:
    """All that the view draws of one run.

    key: the run's key on the server. sound: names the input, so that the cursor stays where it is
    when only the recipe changes.
    """
    recipe = trace.recipe
    before_hz, before_db = spectrum_db(trace.original, trace.original_rate)
    after_hz, after_db = spectrum_db(trace.samples, recipe.sample_rate)
    stairs_in = np.linspace(-1, 1, 801)
    heard, heard_rate = audible(trace.samples, recipe.sample_rate)
    arrays = {
        "samples": (trace.samples, "f4"),
        "windowed": (trace.windowed, "f2"),
        "window": (trace.window, "f4"),
        "power_db": (decibels(trace.power), "f2"),
        "bank": (trace.filter_bank, "f2"),
        "edges": (trace.band_edges_hz, "f4"),
        "mel_db": (decibels(trace.mel_energies), "f2"),
        "log_energies": (trace.log_energies, "f2"),
        "log_mel": (trace.log_mel, "f4"),
        "before_hz": (before_hz, "f4"),
        "before_db": (before_db, "f4"),
        "after_hz": (after_hz, "f4"),
        "after_db": (after_db, "f4"),
        "stairs_in": (stairs_in, "f4"),
        "stairs_out": (levels_of(stairs_in, recipe), "f4"),
        "curves": (mel_curves(recipe.sample_rate / 2), "f4"),
    }
    same = {}
    if trace.original_rate == recipe.sample_rate:
        same["original"] = "samples"
    else:
        arrays["original"] = (trace.original, "i2")
    if recipe.quantizer == "none" and first_sample(trace) == 0:
        same["signal"] = "samples"
    else:
        arrays["signal"] = (signal_of(trace), "f4")
    if heard_rate == recipe.sample_rate:
        same["heard"] = "samples"
    else:
        arrays["heard"] = (heard, "i2")
    if recipe.quantizer == "none":
        same["heard_quantized"] = same.get("heard", "heard")
    else:
        arrays["heard_quantized"] = (audible(trace.quantized, recipe.sample_rate)[0], "i2")
    loudest = int(trace.power.sum(axis=1).argmax())
    log_floor = _log_floor(recipe)
    return pack(
        arrays,
        {
            "key": key,
            "sound": sound,
            "panels": {name: asdict(panel) for name, panel in PANELS.items()},
            "same": same,
            "rate": recipe.sample_rate,
            "original_rate": trace.original_rate,
            "heard_rate": heard_rate,
            "count": len(trace.samples),
            "start": first_sample(trace),
            "hop": recipe.hop_samples,
            "length": recipe.window_samples,
            "frames": trace.n_frames,
            "bands": recipe.n_mels,
            "bins": trace.power.shape[1],
            "bin_hz": trace.bin_hz,
            "peak": float(np.abs(trace.samples).max()),
            "swing": float(np.quantile(np.abs(trace.windowed), 0.99)),
            "strongest_before": strongest_hz(trace.original, trace.original_rate),
            "strongest_after": strongest_hz(trace.samples, recipe.sample_rate),
            "snr": snr_words(trace),
            "unit": unit(recipe),
            "floor": log_floor,
            "log_low": min(log_floor, float(trace.log_energies.min())),
            "log_high": float(trace.log_energies.max()) + 1,
            "spectra_low": max(-120.0, float(max(before_db.max(), after_db.max())) - 90),
            "spectra_high": float(max(before_db.max(), after_db.max())) + 10,
            "empty": [int(m) for m in trace.empty_filters],
            "loudest": loudest,
            "loudest_band": int(trace.mel_energies[loudest].argmax()),
            "loudest_bin": int(trace.power[loudest].argmax()),
        },
    )


def _log_floor(recipe: Recipe) -> float:
    return float(
        {"ln": np.log, "log10": np.log10, "db": lambda x: 10 * np.log10(x)}[recipe.log](recipe.floor)
    )
