"""`extract`, every stage kept, against libraries that compute the result alone."""

from collections.abc import Iterator

import librosa
import numpy as np

from benchmarks.timing import Row, interleaved
from demos.kit.torchvision_shim import register_missing_operators
from demos.speech_features.algorithm import extract
from demos.speech_features.recipes import WHISPER

register_missing_operators()  # before transformers is imported

from transformers import WhisperFeatureExtractor  # noqa: E402

RATE, GOAL = 16000, 2.0


def rows() -> Iterator[Row]:
    whisper = WhisperFeatureExtractor()
    for seconds in (10, 30):
        # float32, the type in which librosa and transformers compute.
        x = (0.1 * np.random.default_rng(0).standard_normal(seconds * RATE)).astype(np.float32)
        calls = {
            "ours": lambda x=x: extract(x, RATE, WHISPER),
            "librosa": lambda x=x: librosa.power_to_db(
                librosa.feature.melspectrogram(y=x, sr=RATE, n_fft=400, hop_length=160, n_mels=80)
            ),
            "transformers": lambda x=x: whisper(x, sampling_rate=RATE, padding=False),
        }
        took = interleaved(calls, rounds=25)
        faster = min(("librosa", "transformers"), key=took.get)
        for name, words in (
            ("librosa", "librosa's melspectrogram and power_to_db"),
            ("transformers", "transformers' WhisperFeatureExtractor"),
        ):
            goal = GOAL if name == faster else None
            yield Row(
                f"extract, all stages, {seconds} s of sound", words, took["ours"], took[name], "ms", goal
            )
