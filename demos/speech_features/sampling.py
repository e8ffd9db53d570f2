"""Sampling and quantization: what a computer keeps of a sound.

Letters
  f_s: sampling rate in Hz    b: bits    mu: the constant of mu-law, 255 (ITU-T G.711)
"""

import math

import numpy as np
import scipy
import soxr
from jaxtyping import Float, Shaped

from demos.speech_features.recipes import Recipe

MU = 255.0
TAPS = 32  # samples on each side from which a point between two samples is computed
LOWEST_HEARD = 8000  # browsers play from 3000 Hz on, some only from 8000 Hz


def sample(
    waveform: Float[np.ndarray, " n_in"], rate_in: int, rate_out: int, anti_alias: bool = True
) -> Float[np.ndarray, " n_out"]:
    """The sound taken `rate_out` times a second.

    anti_alias: what lies above rate_out/2 is filtered out first, by the resampler that librosa uses
    (soxr, HQ). Without it, the band-limited curve through the input samples is read at the new
    instants, so that tones above rate_out/2 land at their alias. Raises ValueError for rates that are
    not positive.
    """
    if rate_in <= 0 or rate_out <= 0:
        raise ValueError(f"Sampling rates must be greater than 0 Hz; got {rate_in} and {rate_out}.")
    if rate_in == rate_out or len(waveform) == 0:
        return waveform
    n_out = int(np.ceil(len(waveform) * rate_out / rate_in))
    if anti_alias:
        out = soxr.resample(waveform, rate_in, rate_out, quality="HQ")
        return np.pad(out, (0, max(0, n_out - len(out))))[:n_out]
    return _curve_at(waveform, rate_in, rate_out)[:n_out]


def _curve_at(x: Float[np.ndarray, " n"], rate_in: int, rate_out: int) -> Float[np.ndarray, " m"]:
    """The band-limited curve through x, `rate_out` times a second: sum of x[n] sinc(t - n).

    Output j lies at t = j step/parts. The sinc is cut to 2 * TAPS samples by a Kaiser window; where
    every output falls on a sample, they are taken as they are. May return a few outputs too many.
    """
    common = math.gcd(rate_in, rate_out)
    step, parts = rate_in // common, rate_out // common
    if parts == 1:
        return x[::step].copy()
    reach = TAPS * parts
    curve = np.sinc(np.arange(-reach, reach + 1) / parts) * np.kaiser(2 * reach + 1, 8.0)
    early = -reach % step  # zeros before the curve, so that its peak falls on an output
    out = scipy.signal.upfirdn(np.pad(curve, (early, 0)), x, parts, step)
    return out[(reach + early) // step :].astype(x.dtype, copy=False)


def alias_of(frequency_hz: float, rate_hz: float) -> float:
    """Where a tone lands when sampled `rate_hz` times a second: folded into 0..rate/2, in Hz."""
    folded = float(frequency_hz) % rate_hz
    return min(folded, rate_hz - folded)


def quantize(x: Float[np.ndarray, " n"], bits: int, kind: str) -> Float[np.ndarray, " n"]:
    """Each sample of [-1, 1] at the nearest of its levels; beyond, at the outermost level.

    mid-rise: 2^b levels, half a step away from zero. mid-tread: 2^b - 1 levels, one at zero, the
    outermost at -1 and 1; with one bit that would be zero alone, so it keeps three levels there.
    mu-law: the mid-rise levels of sign(x) ln(1 + mu|x|) / ln(1 + mu), expanded again.
    Raises ValueError for another kind, or bits outside 1..16.
    """
    if not 1 <= bits <= 16:
        raise ValueError(f"bits must be in 1..16; got {bits}.")
    x = np.clip(x, -1.0, 1.0)
    if kind == "mid-rise":
        half = 2.0 ** (bits - 1)
        return np.clip(np.floor(x * half), -half, half - 1) / half + 0.5 / half
    if kind == "mid-tread":
        top = max(2 ** (bits - 1) - 1, 1)
        return np.rint(x * top) / top
    if kind == "mu-law":
        squeezed = np.sign(x) * np.log1p(MU * np.abs(x)) / np.log1p(MU)
        y = quantize(squeezed, bits, "mid-rise")
        return np.sign(y) * np.expm1(np.abs(y) * np.log1p(MU)) / MU
    raise ValueError(f"kind must be mid-rise, mid-tread or mu-law; got {kind}.")


def levels_of(x: Float[np.ndarray, " n"], recipe: Recipe) -> Float[np.ndarray, " n"]:
    """x through the recipe's quantizer; x itself where it has none."""
    return x if recipe.quantizer == "none" else quantize(x, recipe.bits, recipe.quantizer)


def snr_db(x: Float[np.ndarray, " n"], rounded: Float[np.ndarray, " n"]) -> float:
    """Signal power over error power in dB: inf where nothing changed, -inf for a silent x."""
    signal, noise = float(np.sum(x**2)), float(np.sum((rounded - x) ** 2))
    if noise == 0:
        return float("inf")
    return float(10 * np.log10(signal / noise)) if signal > 0 else float("-inf")


def sine_snr_db(bits: int) -> float:
    """The SNR of a full-scale sine rounded to 2^b levels: 20 b log10(2) + 10 log10(3/2) dB."""
    return float(20 * np.log10(2) * bits + 10 * np.log10(1.5))


def spectrum_db(
    x: Float[np.ndarray, " n"], rate: int, segment: int = 2048
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The power of a whole sound over frequency, averaged over Hann segments (Welch 1967).

    Returns Hz and dB (0 dB is a power of 1, floor -120 dB), so that a sine of amplitude 1 has -3 dB.
    """
    hz, power = scipy.signal.welch(
        x, fs=rate, nperseg=min(segment, len(x)), scaling="spectrum", detrend=False
    )
    return hz, 10 * np.log10(np.maximum(power, 1e-12))


def strongest_hz(x: Float[np.ndarray, " n"], rate: int) -> float:
    """The frequency at which the whole sound has most power, to rate / n Hz."""
    power = np.abs(scipy.fft.rfft(x * np.hanning(len(x))))
    return float(power.argmax() * rate / len(x))


def decibels(power: Float[np.ndarray, " *s"], floor: float = 1e-11) -> Float[np.ndarray, " *s"]:
    """10 log10(power), at least -110 dB: below that no picture shows a difference."""
    return 10 * np.log10(np.maximum(power, floor))


def audible(x: Float[np.ndarray, " n"], rate: int) -> tuple[Float[np.ndarray, " m"], int]:
    """The same sound at a rate that every browser plays: a whole multiple of `rate`, in Hz."""
    times = -(-LOWEST_HEARD // rate)
    return (x, rate) if times == 1 else (sample(x, rate, rate * times), rate * times)


def tone(frequency_hz: float, seconds: float, rate: int, amplitude: float = 0.5) -> Float[np.ndarray, " n"]:
    """A sine."""
    return amplitude * np.sin(2 * np.pi * frequency_hz * _times(seconds, rate))


def two_tones(
    first_hz: float,
    second_hz: float,
    seconds: float,
    rate: int,
    amplitude: float = 0.8,
) -> Float[np.ndarray, " n"]:
    """Two sines of half the amplitude each."""
    return tone(first_hz, seconds, rate, amplitude / 2) + tone(second_hz, seconds, rate, amplitude / 2)


def chirp(
    first_hz: float, last_hz: float, seconds: float, rate: int, amplitude: float = 0.5
) -> Float[np.ndarray, " n"]:
    """A sine whose frequency moves evenly from the first to the last."""
    t = _times(seconds, rate)
    turns = first_hz * t + (last_hz - first_hz) * t**2 / (2 * seconds)
    return amplitude * np.sin(2 * np.pi * turns)


def _times(seconds: float, rate: int) -> Shaped[np.ndarray, " n"]:
    return np.arange(round(seconds * rate)) / rate
