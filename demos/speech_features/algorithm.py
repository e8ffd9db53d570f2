"""From a waveform to log-mel features, every stage kept.

Letters, as in Jurafsky and Martin, section 16.2, and Davis and Mermelstein (1980)
  x: samples          w, L: window and its length in samples    H: stride in samples (hop)
  t: frame            N: length of the DFT (n_fft)               k: bin, at k f_s/N Hz
  X_t[k]: spectrum    B_m[k]: weight of bin k in mel band m       E_t[m]: mel energy
"""

from dataclasses import dataclass, fields

import numpy as np
import scipy
from jaxtyping import Bool, Complex, Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from demos.speech_features.mel import mel_filter_bank, mel_points
from demos.speech_features.recipes import LECTURE, Recipe
from demos.speech_features.sampling import levels_of, sample


@dataclass(frozen=True)
class SpeechTrace:
    """What one run computed. Amplitudes in full scale, power in full scale squared.

    original [n_in] at original_rate Hz; samples [n] at recipe.sample_rate; quantized [n], samples
    themselves where the recipe rounds nothing; frames [n_frames, L]; window [L]; windowed
    [n_frames, L], after mean removal and pre-emphasis where the recipe has them; spectrum, power
    [n_frames, n_bins]; filter_bank [n_mels, n_bins]; mel_energies, log_energies (after floor and
    logarithm), log_mel (after range, offset and scale: the features) [n_frames, n_mels].
    All arrays are read-only, for one trace may serve many visitors.
    """

    recipe: Recipe
    original: Float[np.ndarray, " n_in"]
    original_rate: int
    samples: Float[np.ndarray, " n"]
    quantized: Float[np.ndarray, " n"]
    frames: Float[np.ndarray, "n_frames n_samples"]
    window: Float[np.ndarray, " n_samples"]
    windowed: Float[np.ndarray, "n_frames n_samples"]
    spectrum: Complex[np.ndarray, "n_frames n_bins"]
    power: Float[np.ndarray, "n_frames n_bins"]
    filter_bank: Float[np.ndarray, "n_mels n_bins"]
    mel_energies: Float[np.ndarray, "n_frames n_mels"]
    log_energies: Float[np.ndarray, "n_frames n_mels"]
    log_mel: Float[np.ndarray, "n_frames n_mels"]

    def __post_init__(self) -> None:
        for array in self._arrays():
            array.flags.writeable = False

    @property
    def n_frames(self) -> int:
        return len(self.log_mel)

    @property
    def duration_s(self) -> float:
        return len(self.original) / self.original_rate

    @property
    def bin_hz(self) -> float:
        """Hz from one bin to the next."""
        return self.recipe.sample_rate / self.recipe.fft_samples

    @property
    def frame_starts_s(self) -> Float[np.ndarray, " n_frames"]:
        """When each frame starts; frames that begin in the padding start before 0."""
        r = self.recipe
        # A window shorter than n_fft stands in the middle of a centred frame.
        first = 0 if r.center is None else -(r.fft_samples // 2) + _inset(r)
        return (first + r.hop_samples * np.arange(self.n_frames)) / r.sample_rate

    @property
    def band_edges_hz(self) -> Float[np.ndarray, "n_mels 3"]:
        """Left end, peak and right end of each triangle."""
        return np.stack([(p := mel_points(self.recipe))[:-2], p[1:-1], p[2:]], axis=1)

    @property
    def empty_filters(self) -> Int[np.ndarray, " n_empty"]:
        """Bands whose triangle falls between two bins and so sums nothing."""
        return np.flatnonzero(~self.filter_bank.any(axis=1))

    @property
    def nbytes(self) -> int:
        """Bytes held, each once: the frames are a view of the samples, or of a padded copy of them."""
        padded = 0 if self.recipe.center is None else len(self.quantized) + 2 * (self.recipe.fft_samples // 2)
        once = {id(a): a.nbytes for a in self._arrays() if a is not self.frames}
        return sum(once.values()) + padded * self.frames.itemsize

    def _arrays(self) -> list[np.ndarray]:
        values = (getattr(self, field.name) for field in fields(self))
        return [value for value in values if isinstance(value, np.ndarray)]


def extract(waveform: Float[np.ndarray, "..."], sample_rate: int, recipe: Recipe = LECTURE) -> SpeechTrace:
    """The features of a waveform [n_in] (mono, full scale 1) and every stage on the way to them.

    Computes in single precision where the waveform is float32, else in double precision.

    Raises ValueError for an empty waveform, samples that are NaN or infinite, or a sound shorter than
    the recipe needs: one window, or where it mirrors the ends, more than half an n_fft.
    """
    original = _checked(waveform, sample_rate)
    samples = sample(original, sample_rate, recipe.sample_rate, recipe.anti_alias)
    quantized = levels_of(samples, recipe)
    frames = cut(quantized, recipe)
    window = window_of(recipe.window, recipe.window_samples, recipe.periodic).astype(frames.dtype)
    windowed = prepare(frames, recipe) * window
    spectrum = scipy.fft.rfft(windowed, recipe.fft_samples, axis=1, workers=-1)
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    filter_bank = mel_filter_bank(recipe).astype(power.dtype)
    mel_energies = power @ filter_bank.T
    log_energies = logarithm(mel_energies, recipe)
    log_mel = normalise(log_energies, recipe)
    return SpeechTrace(
        recipe, original, sample_rate, samples, quantized, frames, window, windowed, spectrum, power,
        filter_bank, mel_energies, log_energies, log_mel,
    )  # fmt: skip


def cut(x: Float[np.ndarray, " n"], r: Recipe) -> Float[np.ndarray, "n_frames n_samples"]:
    """The frames as a view: row t holds the L samples from t H on. Raises ValueError if none fits."""
    if r.center is not None:
        margin = r.fft_samples // 2
        if r.center == "reflect" and len(x) <= margin:
            raise ValueError(
                f"Mirroring the ends needs more than {margin} samples "
                f"({margin / r.sample_rate * 1000:.4g} ms); got {len(x)} "
                f"({len(x) / r.sample_rate * 1000:.4g} ms)."
            )
        padded = np.pad(x, margin, mode=r.center)
        # What remains after the last whole n_fft is no frame, as in librosa and torch.stft.
        count = 1 + (len(padded) - r.fft_samples) // r.hop_samples - r.drop_last_frame
        x = padded[_inset(r) :]
    else:
        count = 1 + (len(x) - r.window_samples) // r.hop_samples - r.drop_last_frame
    if count < 1:
        raise ValueError(
            f"The sound must hold at least one window ({r.window_samples} samples, "
            f"{r.window_samples / r.sample_rate * 1000:.4g} ms) and each frame that the recipe drops; "
            f"got {len(x)} samples, {len(x) / r.sample_rate * 1000:.4g} ms."
        )
    return sliding_window_view(x, r.window_samples)[:: r.hop_samples][:count]


def prepare(frames: Float[np.ndarray, "*t n_samples"], r: Recipe) -> Float[np.ndarray, "*t n_samples"]:
    """Each frame less its mean, then less `pre_emphasis` times the sample before it (Kaldi's order).

    The first sample of a frame has none before it and takes itself.
    """
    if r.remove_dc:
        frames = frames - frames.mean(axis=-1, keepdims=True)
    if r.pre_emphasis:
        before = np.concatenate([frames[..., :1], frames[..., :-1]], axis=-1)
        frames = frames - r.pre_emphasis * before
    return frames


def window_of(name: str, n: int, periodic: bool) -> Float[np.ndarray, " n"]:
    """w[0..n-1]. Povey: a symmetric or periodic Hann raised to 0.85 (Kaldi)."""
    turn = 2 * np.pi * np.arange(n) / max(n if periodic else n - 1, 1)
    if name == "rectangular":
        return np.ones(n)
    if name == "hamming":
        return 0.54 - 0.46 * np.cos(turn)
    hann = 0.5 - 0.5 * np.cos(turn)
    return hann if name == "hann" else np.maximum(hann, 0.0) ** 0.85


def dft(frames: Float[np.ndarray, "*t n_samples"], n_fft: int) -> Complex[np.ndarray, "*t n_bins"]:
    """The definition: X[k] = sum over n of x[n] (cos(2 pi k n / N) - i sin(2 pi k n / N)).

    `extract` takes scipy's FFT, which gives the same numbers in far fewer steps.
    """
    k, n = np.arange(n_fft // 2 + 1)[:, None], np.arange(frames.shape[-1])[None, :]
    turn = 2 * np.pi * ((k * n) % n_fft) / n_fft  # whole turns off, for exact small angles
    return frames @ np.cos(turn).T - 1j * (frames @ np.sin(turn).T)


def logarithm(energies: Float[np.ndarray, "*t n_mels"], r: Recipe) -> Float[np.ndarray, "*t n_mels"]:
    """The recipe's logarithm of the energies, those below the floor raised to it."""
    raised = np.maximum(energies, r.floor)
    if r.log == "ln":
        return np.log(raised, out=raised)
    np.log10(raised, out=raised)
    if r.log == "db":
        raised *= 10.0
    return raised


def normalise(
    log_energies: Float[np.ndarray, "n_frames n_mels"], r: Recipe
) -> Float[np.ndarray, "n_frames n_mels"]:
    """Raised to at most `dynamic_range` below the maximum, then (x + offset) / scale."""
    x = log_energies
    if r.dynamic_range is not None:
        x = np.maximum(x, x.max() - r.dynamic_range)
    return x if r.offset == 0 and r.scale == 1 else (x + r.offset) / r.scale


def _inset(r: Recipe) -> int:
    """Where the window starts in a centred frame of n_fft samples: in its middle."""
    return (r.fft_samples - r.window_samples) // 2


def _checked(waveform: Float[np.ndarray, "..."], rate: int) -> Float[np.ndarray, " n"]:
    x = np.asarray(waveform)
    x = x.view() if x.dtype == np.float32 else x.astype(np.float64)  # ours, to be made read-only
    if x.ndim != 1:
        raise ValueError(f"A mono waveform [n] is expected; got the shape {list(x.shape)}.")
    if len(x) == 0:
        raise ValueError("A waveform with samples is expected; got none.")
    if not rate > 0:
        raise ValueError(f"The sampling rate must be greater than 0 Hz; got {rate}.")
    bad: Bool[np.ndarray, " n"] = ~np.isfinite(x)
    if bad.any():
        raise ValueError(
            f"Finite samples are expected; {bad.sum()} of {len(x)} are NaN or infinite, the first at "
            f"{np.argmax(bad) / rate:.3f} s."
        )
    return x
