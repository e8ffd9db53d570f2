"""What visitors give, checked: either a value the algorithms can use, or one sentence why not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import soundfile

MAX_SECONDS = 30.0
PROMPT_CHARACTERS = 20_000
T = TypeVar("T")


class InputError(ValueError):
    """Something the visitor gave cannot be used. Its text is shown on the page, as it stands."""


@dataclass(frozen=True)
class Sound:
    """samples [n]: float64, mono, full scale is 1; rate in Hz; notices: what was changed on the way."""

    samples: np.ndarray
    rate: int
    notices: tuple[str, ...] = ()


def check_number(name: str, value: object, low: float, high: float, unit: str = "") -> float:
    """The value as a float, if it is a finite number from low to high.

    Raises InputError with the range and what came.
    """
    what = f"{name} must be a number from {low:g} to {high:g}{unit and ' ' + unit}"
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{what}; got {value!r}.") from None
    if not low <= number <= high:
        raise InputError(f"{what}; got {number:g}.")
    return number


def check_whole(name: str, value: object, low: int, high: int, unit: str = "") -> int:
    """The same for a whole number. Raises InputError for a fraction too."""
    number = check_number(name, value, low, high, unit)
    if number != int(number):
        raise InputError(f"{name} must be a whole number; got {number:g}.")
    return int(number)


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    """The value, if it is one of the choices. Raises InputError with the choices and what came."""
    if value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")
    return str(value)


def check_file(what: str, path: str | Path | None, ways: str) -> Path:
    """The path, if there is a file with bytes in it. what: is expected in it; ways: how to give one.

    Raises InputError where none was given, none is there, or it is empty.
    """
    if path is None:
        raise InputError(f"A {what} is expected: {ways}.")
    path = Path(path)
    if not path.is_file():
        raise InputError(f"A {what} file is expected; {path.name} is not there.")
    if path.stat().st_size == 0:
        raise InputError(f"A {what} file is expected; {path.name} is empty (0 bytes).")
    return path


def read_sound(path: str | Path | None, max_seconds: float = MAX_SECONDS) -> Sound:
    """A sound file as mono samples at the file's own rate.

    wav, flac, mp3 and ogg are read with libsndfile; what it does not know (m4a, webm) with FFmpeg
    through PyAV. Several channels are averaged, and more than `max_seconds` is cut, each with a notice.
    Raises InputError for no file, an empty file, what is not sound, no samples, NaN or infinity.
    """
    path = check_file("sound", path, "record one, upload a file or choose a sample")
    channels, rate, promised = _decode(path)
    sound = mono(channels, rate, max_seconds, path.name)
    if len(channels) < 0.98 * promised:
        cut = (
            f"The file is cut off: it promises {promised / rate:.2f} s, and {len(channels) / rate:.2f} s "
            "are there."
        )
        sound = replace(sound, notices=(cut, *sound.notices))
    return sound


def mono(channels: np.ndarray, rate: int, max_seconds: float, name: str = "the sound") -> Sound:
    """channels [n, c] at `rate` Hz, averaged and cut to `max_seconds`. Raises InputError as read_sound."""
    n, count = channels.shape
    if n == 0:
        raise InputError(f"A sound with samples is expected; {name} has none.")
    notices = []
    if n > max_seconds * rate:
        notices.append(f"{n / rate:.1f} s came; the first {max_seconds:g} s are used.")
        channels = channels[: int(max_seconds * rate)]
    if count > 1:
        notices.append(f"{count} channels came; their average is used.")
    samples = channels.mean(axis=1)
    bad = np.flatnonzero(~np.isfinite(samples))
    if bad.size:
        raise InputError(
            f"Finite samples are expected; {bad.size} of {samples.size} in {name} are NaN or "
            f"infinite, the first at {bad[0] / rate:.3f} s."
        )
    return Sound(samples, int(rate), tuple(notices))


def _decode(path: Path) -> tuple[np.ndarray, int, int]:
    """Samples [n, c] in float64, the rate in Hz, and how many samples the file's head promises."""
    try:
        with soundfile.SoundFile(path) as file:
            samples = file.read(dtype="float64", always_2d=True)
            return samples, file.samplerate, max(file.frames, _promised_by_riff(path, len(samples)))
    except soundfile.LibsndfileError:
        samples, rate = _decode_with_ffmpeg(path)
        return samples, rate, len(samples)


def _promised_by_riff(path: Path, got: int) -> int:
    """What a WAV file's head says, which libsndfile quietly corrects to what is there."""
    with path.open("rb") as file:
        head = file.read(8)
    size = int.from_bytes(head[4:], "little") + 8
    there = path.stat().st_size
    if head[:4] != b"RIFF" or size >= 2**32 - 1024 or size <= there:  # or written as a stream
        return got
    return round(got * size / there)


def _decode_with_ffmpeg(path: Path) -> tuple[np.ndarray, int]:
    """The same for what only FFmpeg reads."""
    blocks = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InputError(f"A sound is expected; {path.name} holds no audio.")
            stream = container.streams.audio[0]
            to_float = av.AudioResampler(format="fltp")
            for frame in container.decode(stream):
                blocks += [part.to_ndarray().T for part in to_float.resample(frame)]
            rate = stream.rate
    except av.FFmpegError:
        raise InputError(
            f"A sound file (wav, flac, mp3, ogg or m4a) is expected; {path.name} is none, or it is cut off."
        ) from None
    if not blocks:
        raise InputError(f"A sound with samples is expected; {path.name} has none.")
    return np.concatenate(blocks).astype(np.float64), rate


def check_prompt(prompt: object) -> str:
    """The prompt, if it is a text that is not empty nor very long."""
    if not isinstance(prompt, str) or not prompt:
        raise InputError("A prompt of at least one character is expected; got an empty one.")
    if len(prompt) > PROMPT_CHARACTERS:
        raise InputError(
            f"A prompt of at most {PROMPT_CHARACTERS} characters is expected; got {len(prompt)}."
        )
    if any("\ud800" <= letter <= "\udfff" for letter in prompt):
        raise InputError("A prompt of whole characters is expected; got one with half of a surrogate pair.")
    return prompt


def within(function: Callable[..., T], *inputs: object) -> T:
    """What the function gives; its ValueError, which is about what was asked for, as an InputError."""
    try:
        return function(*inputs)
    except ValueError as error:
        raise InputError(str(error)) from error
