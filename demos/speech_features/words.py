"""A run in words and numbers: caption, formula with its numbers, verdict, the things to try."""

import numpy as np

from demos.speech_features.algorithm import SpeechTrace
from demos.speech_features.closeup import BinSum, Cell, Windows
from demos.speech_features.controls import GENERATOR, Form
from demos.speech_features.figures import unit
from demos.speech_features.sampling import alias_of, sine_snr_db, snr_db, strongest_hz

# Each thing to try: the stage it is about, and the settings that differ from the start.
# In the order of the lesson's list.
TRIES = (
    (2, {"source": GENERATOR, "first_hz": 5000, "rate": 8000, "anti_alias": False}),
    (3, {"quantizer": "mid-rise", "bits": 4}),
    (5, {"source": "The vowel [iy]", "window_ms": 50}),
)
START = {
    "source": "A spoken sentence",
    "kind": "one tone",
    "first_hz": 1000,
    "second_hz": 3000,
    "preset": "LECTURE",
}


def settings_of(changes: dict) -> list:
    """All settings of the page in its order, the start's but for `changes`."""
    return list((START | vars(Form()) | changes).values())


def caption(trace: SpeechTrace, notices: tuple[str, ...]) -> str:
    """Two to four sentences with this run's numbers, the notices about the input first."""
    recipe = trace.recipe
    told = list(notices)
    if trace.original_rate != recipe.sample_rate:
        told.append(f"{trace.original_rate} Hz came; it was resampled to {recipe.sample_rate} Hz.")
    notice = "".join(f"ℹ {line} " for line in told)
    said = (
        f"{trace.duration_s:.2f} s became **{len(trace.samples)} samples** at {recipe.sample_rate} Hz, "
        f"cut into **{trace.n_frames} frames** of {recipe.window_samples} samples "
        f"({_ms(recipe.window_samples, recipe)}), a new one every {recipe.hop_samples} "
        f"({_ms(recipe.hop_samples, recipe)}). Each frame's DFT has {trace.power.shape[1]} bins, "
        f"{trace.bin_hz:.4g} Hz apart; {recipe.n_mels} triangles sum them, and the log gives an array "
        f"of **{trace.n_frames} × {recipe.n_mels}** numbers from {trace.log_mel.min():.3g} to "
        f"{trace.log_mel.max():.3g} ({unit(recipe)})."
    )
    if recipe.quantizer != "none":
        said += f" {_snr(trace)}"
    if len(trace.empty_filters):
        said += (
            f" {len(trace.empty_filters)} of the {recipe.n_mels} triangles are empty: they are "
            f"narrower than the {trace.bin_hz:.4g} Hz between two bins."
        )
    drawn = (
        " The spectrogram draws every frame and band; where there are more frames than pixels, "
        "neighbours share one, and zooming in shows each."
    )
    return notice + said + drawn


def formula(trace: SpeechTrace) -> str:
    """The lesson's formulas with this run's numbers put in."""
    r = trace.recipe
    lines = [
        rf"$$1+\left\lfloor\frac{{{len(trace.samples)}-{r.window_samples}}}{{{r.hop_samples}}}"
        rf"\right\rfloor={trace.n_frames}\ \text{{frames}}$$"
        if r.center is None
        else rf"$${trace.n_frames}\ \text{{frames, centred every }}{r.hop_samples}"
        r"\ \text{samples, the sound padded at both ends}$$",
        rf"$$\frac{{f_s}}{{N}}=\frac{{{r.sample_rate}}}{{{r.fft_samples}}}={trace.bin_hz:.4g}"
        r"\ \mathrm{Hz}$$",
        rf"$$\mathrm{{mel}}({r.fmax_hz:g})=1127\ln\left(1+\frac{{{r.fmax_hz:g}}}{{700}}\right)="
        rf"{1127 * np.log1p(r.fmax_hz / 700):.1f}$$",
    ]
    if r.quantizer != "none":
        lines.append(rf"$$6.02\cdot{r.bits}+1.76={sine_snr_db(r.bits):.2f}\ \mathrm{{dB}}$$")
        lines.append(rf"$$\text{{measured SNR: }}{_number(snr_db(trace.samples, trace.quantized))}$$")
    return "**With this run's numbers:**\n\n" + "\n\n".join(lines)


def outcome(trace: SpeechTrace) -> tuple[str | None, str]:
    """What this run says to the lesson's question: the right answer's key, and the evidence.

    The question is about a tone of 5000 Hz taken at 8000 Hz without the filter; other runs say
    nothing. The frequencies are those of the strongest bins, measured before and after.
    """
    recipe = trace.recipe
    if recipe.sample_rate != 8000 or recipe.anti_alias:
        return None, ""
    before = strongest_hz(trace.original, trace.original_rate)
    after = strongest_hz(trace.samples, recipe.sample_rate)
    if abs(before - 5000) > 5:
        return None, ""
    near = min((3000, 4000, 5000), key=lambda hz: abs(hz - after))
    level = 10 * np.log10(np.mean(trace.samples**2) / np.mean(trace.original**2))
    key = "gone" if level < -40 else str(near)
    return key, (
        f"The strongest frequency was {before:.0f} Hz before sampling and is {after:.0f} Hz after "
        f"({recipe.sample_rate} − 5000 = {alias_of(5000, recipe.sample_rate):.0f})."
    )


def evidence(cell: Cell, wave: BinSum, windows: Windows) -> dict:
    """The close-up of one cell as plain lists and numbers, for the page's script and for the API."""
    return {
        "frame": cell.frame,
        "band": cell.band,
        "bin": wave.bin,
        "cell": {
            "bins": cell.bins.tolist(),
            "hz": cell.hz.tolist(),
            "weights": cell.weights.tolist(),
            "power": cell.power.tolist(),
            "products": cell.products.tolist(),
            "mel_energy": cell.mel_energy,
            "log_mel": cell.log_mel,
            "steps": [[label, f"{value:.6g}".replace("-", "−")] for label, value in cell.steps],
        },
        "wave": {
            "cosine": _round(wave.cosine),
            "sine": _round(wave.sine),
            "products": {
                "cosine": _round(wave.cosine_products),
                "sine": _round(wave.sine_products),
            },
            "real": wave.real,
            "imaginary": wave.imaginary,
            "power": wave.power,
        },
        "windows": {name: _round(db) for name, db in windows.power_db.items()},
        "widths": (
            f"Bins are {windows.bin_hz:.4g} Hz apart (rate / n_fft). The main lobe of a "
            f"{windows.window_samples}-sample window is {windows.main_lobe_hz['rectangular']:.4g} Hz "
            f"wide when rectangular (2 · rate / window) and {windows.main_lobe_hz['hamming']:.4g} Hz "
            "when Hamming or Hann (4 · rate / window): a longer n_fft moves the bins closer, not the lobes."
        ),
    }


def _ms(samples: int, recipe) -> str:
    return f"{samples / recipe.sample_rate * 1000:.4g} ms"


def _number(db: float) -> str:
    if np.isfinite(db):
        return rf"{db:.2f}\ \mathrm{{dB}}"
    return r"\infty" if db > 0 else r"\text{none: silence}"


def _round(values: np.ndarray) -> list[float]:
    """Six digits: what a picture can show, in a third of the bytes."""
    return [float(f"{v:.6g}") for v in values]


def _snr(trace: SpeechTrace) -> str:
    bits, measured = trace.recipe.bits, snr_db(trace.samples, trace.quantized)
    if not np.isfinite(measured):
        return "Rounding to levels changed nothing here."
    return (
        f"Rounding to {bits} bits leaves a signal-to-noise ratio of **{measured:.1f} dB**, measured; "
        f"6.02 · {bits} + 1.76 = {sine_snr_db(bits):.1f} dB holds for a full-scale sine."
    )
