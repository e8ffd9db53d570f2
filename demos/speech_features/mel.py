"""The mel scale and its triangles.

Letters
  m: band    k: bin, at k f_s/N Hz    B_m[k]: weight of bin k in band m
"""

import numpy as np
from jaxtyping import Float

from demos.speech_features.recipes import Recipe


def hz_to_mel(hz: Float[np.ndarray, " *s"], scale: str) -> Float[np.ndarray, " *s"]:
    """Mel of frequencies in Hz, on the "lecture", "htk" or "slaney" scale (see Recipe)."""
    hz = np.asarray(hz, np.float64)
    if scale == "lecture":
        return 1127.0 * np.log(1 + hz / 700.0)
    if scale == "htk":
        return 2595.0 * np.log10(1 + hz / 700.0)
    # Slaney 1998: 200/3 Hz a mel up to 1000 Hz, then 27 steps for a factor of 6.4.
    log_part = 15.0 + np.log(np.maximum(hz, 1000.0) / 1000.0) * (27.0 / np.log(6.4))
    return np.where(hz < 1000.0, hz * 3.0 / 200.0, log_part)


def mel_to_hz(mel: Float[np.ndarray, " *s"], scale: str) -> Float[np.ndarray, " *s"]:
    """Hz of mels: the inverse of `hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    if scale == "lecture":
        return 700.0 * np.expm1(mel / 1127.0)
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * (np.log(6.4) / 27.0)))


def mel_points(r: Recipe) -> Float[np.ndarray, " n_points"]:
    """The n_mels + 2 ends and peaks of the triangles in Hz, evenly spaced in mel."""
    low, high = hz_to_mel(np.array([r.fmin, r.fmax_hz]), r.mel_scale)
    return mel_to_hz(np.linspace(low, high, r.n_mels + 2), r.mel_scale)


def mel_filter_bank(r: Recipe) -> Float[np.ndarray, "n_mels n_bins"]:
    """B_m[k]: a triangle for each band, 0 at its ends and 1 at its peak, or of area 1 in Hz (slaney)."""
    points, bins = mel_points(r), np.arange(r.n_bins) * (r.sample_rate / r.fft_samples)
    at, k = points, bins
    if r.triangles == "mel":
        at, k = hz_to_mel(points, r.mel_scale), hz_to_mel(bins, r.mel_scale)
    rising = (k - at[:-2, None]) / (at[1:-1] - at[:-2])[:, None]
    falling = (at[2:, None] - k) / (at[2:] - at[1:-1])[:, None]
    bank = np.maximum(0.0, np.minimum(rising, falling))
    if r.mel_norm == "slaney":
        bank *= (2.0 / (points[2:] - points[:-2]))[:, None]
    return bank
