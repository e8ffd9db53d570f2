"""From sound to features: the settings that well-known systems use, each from its source."""

import math
from dataclasses import dataclass, field, fields, replace

QUANTIZERS = ("none", "mid-rise", "mid-tread", "mu-law")
WINDOWS = ("rectangular", "hamming", "hann", "povey")
SCALES = ("lecture", "htk", "slaney")
PADDINGS = (None, "reflect", "constant")
LOGS = ("ln", "log10", "db")


@dataclass(frozen=True)
class Recipe:
    """All settings from the waveform to the features. Frequencies in Hz, lengths in samples.

    anti_alias: filter out what lies above the new Nyquist frequency before sampling.
    quantizer, bits: how samples are rounded to levels; "none" leaves them as they are.
    periodic: the window is one period of its curve, so its first and last sample differ.
    n_fft: length of the DFT, the window padded with zeros on the right; None: the smallest power of
    two that holds the window. center: frames are centred on multiples of the stride, the sound padded
    at both ends by n_fft/2 ("reflect": mirrored, "constant": zeros); None: frames that fit, no padding.
    remove_dc, pre_emphasis: in each frame before the window, as Kaldi does.
    mel_scale: "lecture" 1127 ln(1+f/700), "htk" 2595 log10(1+f/700), "slaney" linear to 1000 Hz.
    triangles: the space in which the filters' sides are straight. mel_norm: "slaney" for equal area.
    fmax: None is half the sampling rate. log: "ln", "log10" or "db" of max(energy, floor).
    dynamic_range: values further below the maximum are raised to it, in the log's unit.
    At the end (x + offset) / scale.

    Raises ValueError with what was expected and what came.
    """

    name: str = field(compare=False)
    source: str = field(compare=False)
    sample_rate: int = 16000
    anti_alias: bool = True
    quantizer: str = "none"
    bits: int = 16
    window: str = "hamming"
    periodic: bool = False
    window_samples: int = 400
    hop_samples: int = 160
    n_fft: int | None = None
    center: str | None = None
    drop_last_frame: bool = False
    remove_dc: bool = False
    pre_emphasis: float = 0.0
    mel_scale: str = "lecture"
    triangles: str = "hz"
    mel_norm: str | None = None
    n_mels: int = 80
    fmin: float = 0.0
    fmax: float | None = None
    log: str = "ln"
    floor: float = 1e-10
    dynamic_range: float | None = None
    offset: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name, choices in (
            ("quantizer", QUANTIZERS),
            ("window", WINDOWS),
            ("center", PADDINGS),
            ("mel_scale", SCALES),
            ("triangles", ("hz", "mel")),
            ("mel_norm", (None, "slaney")),
            ("log", LOGS),
        ):
            _expect(
                getattr(self, name) in choices,
                f"{name} must be one of {', '.join(map(str, choices))}; got {getattr(self, name)}",
            )
        for name in ("sample_rate", "window_samples", "hop_samples", "n_mels", "floor", "scale"):
            _expect(
                getattr(self, name) > 0,
                f"{name} must be greater than 0; got {getattr(self, name)}",
            )
        for name in ("floor", "offset", "scale"):
            _expect(
                math.isfinite(getattr(self, name)),
                f"{name} must be a finite number; got {getattr(self, name)}",
            )
        _expect(1 <= self.bits <= 16, f"bits must be in 1..16; got {self.bits}")
        _expect(0 <= self.pre_emphasis < 1, f"pre_emphasis must be in [0, 1); got {self.pre_emphasis}")
        _expect(
            self.window_samples >= self.hop_samples,
            f"The window must be at least as long as the stride ({self._ms(self.hop_samples)}); "
            f"got {self._ms(self.window_samples)}",
        )
        _expect(
            self.fft_samples >= self.window_samples,
            f"n_fft must hold the window's {self.window_samples} samples; got {self.n_fft}",
        )
        nyquist = self.sample_rate / 2
        _expect(
            self.fmax_hz <= nyquist,
            f"The highest frequency must not exceed half the sampling rate ({nyquist:g} Hz); "
            f"got {self.fmax_hz:g} Hz",
        )
        _expect(
            0 <= self.fmin < self.fmax_hz,
            f"The lowest frequency must be in 0 Hz to below the highest ({self.fmax_hz:g} Hz); "
            f"got {self.fmin:g} Hz",
        )
        _expect(
            self.dynamic_range is None or self.dynamic_range > 0,
            f"dynamic_range must be greater than 0 or None; got {self.dynamic_range}",
        )

    @property
    def fft_samples(self) -> int:
        """N: the length of the DFT."""
        return 1 << (self.window_samples - 1).bit_length() if self.n_fft is None else self.n_fft

    @property
    def fmax_hz(self) -> float:
        """The upper end of the highest triangle."""
        return self.sample_rate / 2 if self.fmax is None else self.fmax

    @property
    def n_bins(self) -> int:
        """Bins from 0 Hz to half the sampling rate."""
        return self.fft_samples // 2 + 1

    def resolved(self) -> "Recipe":
        """The same recipe with nothing left to follow from the rest."""
        return replace(self, n_fft=self.fft_samples, fmax=float(self.fmax_hz))

    def _ms(self, samples: int) -> str:
        return f"{samples} samples, {samples / self.sample_rate * 1000:.4g} ms"


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(f"{otherwise}.")


LECTURE = Recipe(
    name="LECTURE",
    source="The lecture; Jurafsky and Martin, Speech and Language Processing, section 16.2",
    fmax=8000.0,
)
WHISPER = Recipe(
    name="WHISPER",
    source="Radford et al. 2022, section 2.2, and the whisper package's audio.py",
    window="hann",
    periodic=True,
    n_fft=400,
    center="reflect",
    drop_last_frame=True,
    mel_scale="slaney",
    mel_norm="slaney",
    log="log10",
    dynamic_range=8.0,
    offset=4.0,
    scale=4.0,
)
WHISPER128 = replace(
    WHISPER, name="WHISPER128", source="Whisper large-v3: as WHISPER, with 128 bands", n_mels=128
)
AST = Recipe(
    name="AST",
    source="Gong et al. 2021, features of Kaldi's fbank, AudioSet's mean −4.2677 and deviation 4.569",
    window="hann",
    remove_dc=True,
    pre_emphasis=0.97,
    triangles="mel",
    n_mels=128,
    fmin=20.0,
    floor=2.0**-23,
    offset=4.2677393,
    scale=2 * 4.5689974,
)
KALDI80 = Recipe(
    name="KALDI80",
    source="Povey et al. 2011, Kaldi's compute-fbank-feats with 80 bands and no dither",
    window="povey",
    remove_dc=True,
    pre_emphasis=0.97,
    triangles="mel",
    fmin=20.0,
    floor=2.0**-23,
)
LIBROSA = Recipe(
    name="LIBROSA",
    source="McFee et al., librosa 0.11: power_to_db(melspectrogram(y, sr)) with its defaults",
    sample_rate=22050,
    window="hann",
    periodic=True,
    window_samples=2048,
    hop_samples=512,
    center="constant",
    mel_scale="slaney",
    mel_norm="slaney",
    n_mels=128,
    log="db",
    dynamic_range=80.0,
)
RECIPES = {r.name: r for r in (LECTURE, WHISPER, WHISPER128, AST, KALDI80, LIBROSA)}


def named(recipe: Recipe) -> str | None:
    """The name of the recipe that this one equals in every setting, or None."""
    mine = recipe.resolved()
    return next((name for name, known in RECIPES.items() if known.resolved() == mine), None)


SETTINGS = tuple(f.name for f in fields(Recipe) if f.compare)
