"""The sounds that the truth tests use: [n] float64 at 16 kHz, full scale 1, two seconds."""

from pathlib import Path

import librosa
import numpy as np

RATE = 16000
SENTENCE = Path(__file__).parents[1] / "assets" / "samples" / "speech" / "sentence.wav"


def _speech() -> np.ndarray:
    return librosa.load(SENTENCE, sr=RATE, dtype=np.float64, duration=2.0)[0]


def _time() -> np.ndarray:
    return np.arange(2 * RATE) / RATE


def _impulse() -> np.ndarray:
    x = np.zeros(2 * RATE)
    x[RATE] = 1.0
    return x


# Rounded to float32, as the reference implementations take them.
SIGNALS = {
    name: make().astype(np.float32).astype(np.float64)
    for name, make in {
        "speech": _speech,
        "chirp": lambda: 0.5 * np.sin(2 * np.pi * (100 * _time() + 1900 * _time() ** 2)),
        "tone": lambda: 0.5 * np.sin(2 * np.pi * 1000 * _time()),
        "noise": lambda: 0.1 * np.random.default_rng(0).standard_normal(2 * RATE),
        "silence": lambda: np.zeros(2 * RATE),
        "impulse": _impulse,
    }.items()
}
