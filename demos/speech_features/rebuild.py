"""A sound from its log-mel features alone: what the features still know of it.

Lost for good: the phases, which are guessed (Griffin and Lim 1984); the detail within each triangle,
which is spread over its bins; what lay below the floor or outside the bands; and, where the recipe
removed it, each frame's mean.
"""

import librosa
import numpy as np
import scipy
from jaxtyping import Float

from demos.speech_features.algorithm import SpeechTrace, window_of
from demos.speech_features.mel import mel_filter_bank
from demos.speech_features.recipes import Recipe

ITERATIONS = 32
SPREAD_ROUNDS = 40


def rebuild(trace: SpeechTrace) -> Float[np.ndarray, " n"]:
    """Samples at recipe.sample_rate, as many as the run had, made from trace.log_mel and the recipe.

    Scaled down only where they would exceed full scale.
    """
    r = trace.recipe
    turn = 2 * np.pi * np.arange(r.n_bins) / r.fft_samples
    emphasis = np.abs(1 - r.pre_emphasis * np.exp(-1j * turn))  # what pre-emphasis did to each bin
    magnitude = np.sqrt(spread(energies_of(trace.log_mel, r), mel_filter_bank(r))) / emphasis
    sound = librosa.griffinlim(
        magnitude.T,
        n_iter=ITERATIONS,
        hop_length=r.hop_samples,
        win_length=r.window_samples,
        n_fft=r.fft_samples,
        window=window_of(r.window, r.window_samples, r.periodic),
        random_state=0,
    )
    # librosa centres frame t at t H, which keeps the ends of the sound free of division by a window's
    # near-zero ends. Frames that were not centred have their middle half a window later.
    if r.center is None:
        sound = np.pad(sound, (r.window_samples // 2, 0))
    sound = librosa.util.fix_length(np.asarray(sound, np.float64), size=len(trace.samples))
    return sound / max(1.0, float(np.abs(sound).max(initial=0.0)))


def energies_of(log_mel: Float[np.ndarray, "t m"], r: Recipe) -> Float[np.ndarray, "t m"]:
    """Mel energies from features: normalisation and logarithm undone, the floor taken for silence."""
    x = log_mel * r.scale - r.offset
    energies = np.exp(x) if r.log == "ln" else 10.0 ** (x / (10.0 if r.log == "db" else 1.0))
    return np.where(energies <= r.floor * (1 + 1e-6), 0.0, energies)


def spread(energies: Float[np.ndarray, "t m"], bank: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "t k"]:
    """Power for each bin whose triangles' sums come close to the energies: non-negative least squares.

    By the multiplicative rule of Lee and Seung (2001), which starts even and never goes below zero.
    """
    lit = bank.any(axis=1)
    bank, energies = bank[lit], energies[:, lit].T.astype(np.float64)
    triangles = scipy.sparse.csr_array(bank)  # few weights are not zero
    back = triangles.T.tocsr()
    target = back @ energies
    power = np.tile(energies.mean(axis=0), (bank.shape[1], 1))
    for _ in range(SPREAD_ROUNDS):
        power *= target / np.maximum(back @ (triangles @ power), 1e-30)
    return power.T
