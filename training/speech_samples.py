"""The bundled sounds: assets/samples/speech/*.wav, 16 bit, mono.

Command: python -m training.speech_samples     (needs the program espeak-ng; seconds)
Everything but the sentence is computed here, so it comes out the same on every machine. The sentence
is spoken by espeak-ng, with the command in SENTENCE.
"""

import subprocess
from pathlib import Path

import numpy as np
import scipy
import soundfile

from demos.speech_features.sampling import chirp, two_tones

FOLDER = Path(__file__).parents[1] / "assets" / "samples" / "speech"
TEXT = "Every sound you hear is a small change in the pressure of the air."
SENTENCE = ["espeak-ng", "-v", "en-gb", "-s", "150", "-p", "45", "-w"]
RATE = 48000

# Hillenbrand et al. (1995), table V, men, the vowel of "heed": formants in Hz. Bandwidths in Hz and
# the pitch are of a usual male voice.
IY_FORMANTS, IY_BANDWIDTHS, IY_PITCH = (342, 2322, 3000, 3657), (60, 100, 150, 200), 120


def vowel(formants, bandwidths, pitch_hz: float, seconds: float, rate: int) -> np.ndarray:
    """A vowel by the source-filter model: glottal pulses through one resonator for each formant.

    Returns [n]. The source is Rosenberg's (1971) pulse, differentiated by the lips' radiation.
    """
    t = np.arange(round(seconds * rate)) / rate
    pitch = pitch_hz * (1 + 0.015 * np.sin(2 * np.pi * 5 * t) - 0.05 * t / seconds)
    phase = np.cumsum(pitch) / rate % 1.0
    opening, closing = 0.4, 0.16
    rise = 0.5 * (1 - np.cos(np.pi * phase / opening))
    fall = np.cos(np.pi / 2 * (phase - opening) / closing)
    sound = np.where(phase < opening, rise, np.where(phase < opening + closing, fall, 0.0))
    sound = np.diff(sound, prepend=0.0)
    for hz, width in zip(formants, bandwidths, strict=True):
        radius = np.exp(-np.pi * width / rate)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * hz / rate), radius**2]
        sound = scipy.signal.lfilter([sum(poles)], poles, sound)
    fade = np.minimum(1.0, np.minimum(t, t[::-1]) / 0.03)
    return 0.6 * sound * fade / np.abs(sound).max()


def clap(rate: int) -> np.ndarray:
    """Noise that starts at once and dies away within some 60 ms, after a short silence. Returns [n]."""
    n = round(0.6 * rate)
    noise = np.random.default_rng(0).standard_normal(n)
    t = np.arange(n) / rate - 0.15
    sound = np.where(t >= 0, noise * np.exp(-np.maximum(t, 0) / 0.02), 0.0)
    return 0.9 * sound / np.abs(sound).max()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    sounds = {
        "vowel_iy": vowel(IY_FORMANTS, IY_BANDWIDTHS, IY_PITCH, 1.0, RATE),
        "chirp": chirp(100, 12000, 3.0, RATE),
        "two_tones": two_tones(1000, 5000, 1.0, RATE),
        "clap": clap(RATE),
        "silence": np.zeros(RATE),
    }
    for name, samples in sounds.items():
        soundfile.write(FOLDER / f"{name}.wav", samples, RATE, subtype="PCM_16")
    subprocess.run([*SENTENCE, str(FOLDER / "sentence.wav"), TEXT], check=True)


if __name__ == "__main__":
    main()
