"""One frame of a finished run, taken apart: where a cell's number comes from, and what a bin sums.

Nothing is run again but the sums in question. Letters as in algorithm.py.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float, Int

from demos.speech_features.algorithm import SpeechTrace, prepare, window_of
from demos.speech_features.sampling import decibels


@dataclass(frozen=True)
class Cell:
    """The chain behind log_mel[frame, band].

    bins: those with weight in the band's triangle; their hz, weights, power and products (weight
    times power); mel_energy: the products' sum; steps: every value on the way to log_mel, by name.
    """

    frame: int
    band: int
    bins: Int[np.ndarray, " n_k"]
    hz: Float[np.ndarray, " n_k"]
    weights: Float[np.ndarray, " n_k"]
    power: Float[np.ndarray, " n_k"]
    products: Float[np.ndarray, " n_k"]
    mel_energy: float
    steps: tuple[tuple[str, float], ...]
    log_mel: float


@dataclass(frozen=True)
class BinSum:
    """X_t[k] as the definition says: the windowed frame times a cosine and a sine, summed.

    real = sum of cosine_products; imaginary = minus the sum of sine_products; power = |X|^2.
    """

    frame: int
    bin: int
    cosine: Float[np.ndarray, " n_samples"]
    sine: Float[np.ndarray, " n_samples"]
    cosine_products: Float[np.ndarray, " n_samples"]
    sine_products: Float[np.ndarray, " n_samples"]
    real: float
    imaginary: float
    power: float


@dataclass(frozen=True)
class Windows:
    """The same frame through several windows: power in dB [n_bins] by the window's name.

    main_lobe_hz: the width between the zeros around a tone's peak, 2 f_s/L or 4 f_s/L; bin_hz: f_s/N.
    """

    power_db: dict[str, Float[np.ndarray, " n_bins"]]
    main_lobe_hz: dict[str, float]
    bin_hz: float
    window_samples: int


def explain_cell(trace: SpeechTrace, frame: int, band: int) -> Cell:
    """Where log_mel[frame, band] comes from. Raises ValueError outside the picture."""
    _check("frame", frame, trace.n_frames)
    _check("band", band, trace.recipe.n_mels)
    r, row = trace.recipe, trace.filter_bank[band]
    bins = np.flatnonzero(row)
    power = trace.power[frame, bins]
    products = row[bins] * power
    energy = float(products.sum())
    log_energy = float(trace.log_energies[frame, band])
    steps = [("sum of the products: mel energy", energy)]
    if energy < r.floor:
        steps.append(("below the floor, so raised to it", r.floor))
    steps.append(({"ln": "ln", "log10": "log₁₀", "db": "10 log₁₀"}[r.log], log_energy))
    value = log_energy
    if r.dynamic_range is not None:
        lowest = float(trace.log_energies.max()) - r.dynamic_range
        value = max(value, lowest)
        steps.append((f"at least the maximum − {r.dynamic_range:g} ({lowest:.4g})", value))
    if r.offset or r.scale != 1:
        value = (value + r.offset) / r.scale
        steps.append((f"plus {r.offset:.5g}, over {r.scale:.5g}".replace("-", "−"), value))
    return Cell(
        frame=frame,
        band=band,
        bins=bins,
        hz=bins * trace.bin_hz,
        weights=row[bins],
        power=power,
        products=products,
        mel_energy=energy,
        steps=tuple(steps),
        log_mel=value,
    )


def correlate_bin(trace: SpeechTrace, frame: int, k: int) -> BinSum:
    """The sums behind spectrum[frame, k]. Raises ValueError outside the spectrum."""
    _check("frame", frame, trace.n_frames)
    _check("bin", k, trace.recipe.n_bins)
    n, x = np.arange(trace.recipe.window_samples), trace.windowed[frame]
    turn = 2 * np.pi * ((k * n) % trace.recipe.fft_samples) / trace.recipe.fft_samples
    cosine, sine = np.cos(turn), np.sin(turn)
    real, imaginary = float(np.sum(x * cosine)), float(-np.sum(x * sine))
    return BinSum(
        frame=frame,
        bin=k,
        cosine=cosine,
        sine=sine,
        cosine_products=x * cosine,
        sine_products=x * sine,
        real=real,
        imaginary=imaginary,
        power=real**2 + imaginary**2,
    )


def compare_windows(trace: SpeechTrace, frame: int) -> Windows:
    """The frame's spectrum had it been cut by other windows. Raises ValueError outside the sound."""
    _check("frame", frame, trace.n_frames)
    r, x = trace.recipe, prepare(trace.frames[frame], trace.recipe)
    lobes = {"rectangular": 2, "hamming": 4, "hann": 4}
    power = {
        name: np.abs(scipy.fft.rfft(x * window_of(name, r.window_samples, r.periodic), r.fft_samples)) ** 2
        for name in lobes
    }
    return Windows(
        power_db={name: decibels(p) for name, p in power.items()},
        main_lobe_hz={name: n * r.sample_rate / r.window_samples for name, n in lobes.items()},
        bin_hz=trace.bin_hz,
        window_samples=r.window_samples,
    )


def _check(what: str, index: int, count: int) -> None:
    if not 0 <= index < count:
        raise ValueError(f"{what} must be in 0..{count - 1}; got {index}.")
