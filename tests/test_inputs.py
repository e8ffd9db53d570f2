"""Sound files as visitors bring them: what can be read is read, the rest gets one sentence."""

from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from demos.kit.inputs import InputError, check_choice, check_number, read_sound

RATE = 16000
TONE = 0.4 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)


def write_m4a(path, samples, rate):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        for at in range(0, len(samples), 1024):
            block = samples[None, at : at + 1024].astype(np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("kind, error", [("wav", 1e-4), ("flac", 1e-4), ("ogg", 0.05), ("mp3", 0.05)])
def test_files_are_read_as_they_are(tmp_path, kind, error):
    path = tmp_path / f"tone.{kind}"
    soundfile.write(path, TONE, RATE)
    sound = read_sound(path)
    assert (sound.rate, sound.notices) == (RATE, ())
    assert len(sound.samples) == pytest.approx(len(TONE), abs=1200)
    assert np.sqrt(np.mean(sound.samples**2)) == pytest.approx(0.4 / np.sqrt(2), abs=error)


def test_m4a_is_read_with_ffmpeg(tmp_path):
    path = tmp_path / "tone.m4a"
    write_m4a(path, TONE, RATE)
    sound = read_sound(path)
    assert sound.rate == RATE
    spectrum = np.abs(np.fft.rfft(sound.samples))
    assert spectrum.argmax() * RATE / len(sound.samples) == pytest.approx(440, abs=2)


def test_channels_are_averaged_with_a_notice(tmp_path):
    path = tmp_path / "two.wav"
    soundfile.write(path, np.stack([TONE, np.zeros_like(TONE)], axis=1), RATE)
    sound = read_sound(path)
    np.testing.assert_allclose(sound.samples, TONE / 2, atol=1e-4)
    assert sound.notices == ("2 channels came; their average is used.",)


def test_more_than_thirty_seconds_is_cut_with_a_notice(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(31 * 8000), 8000)
    sound = read_sound(path)
    assert len(sound.samples) == 30 * 8000
    assert sound.notices == ("31.0 s came; the first 30 s are used.",)


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_a_file_cut_off_is_used_as_far_as_it_goes_with_a_notice(tmp_path, kind):
    path = tmp_path / f"whole.{kind}"
    soundfile.write(path, np.tile(TONE, 3), RATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    sound = read_sound(path)
    assert "cut off: it promises 3.00 s, and 1." in sound.notices[0]


@pytest.mark.parametrize("kind", ["flac", "ogg"])
def test_a_file_cut_off_that_cannot_be_read_is_refused(tmp_path, kind):
    path = tmp_path / f"whole.{kind}"
    soundfile.write(path, np.tile(TONE, 3), RATE)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"expected; whole\.\w+ (is none, or it is cut off|has none)"):
        read_sound(path)


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("empty.wav", b"", r"empty \(0 bytes\)"),
        ("words.wav", b"This is no sound.", "words.wav is none"),
        ("noise.mp3", bytes(range(256)) * 8, r"noise.mp3 (is none|has none)"),
        ("<b>x</b>.wav", b"RIFF", "<b>x</b>.wav is none"),
    ],
)
def test_what_is_no_sound_is_refused(tmp_path, name, content, words):
    path = tmp_path / name.replace("/", "_")
    path.write_bytes(content)
    with pytest.raises(InputError, match=words.replace("/", "_")):
        read_sound(path)


def test_no_file_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(InputError, match="record one, upload a file or choose a sample"):
        read_sound(None)
    with pytest.raises(InputError, match="gone.wav is not there"):
        read_sound(tmp_path / "gone.wav")


def test_a_sound_without_samples_is_refused(tmp_path):
    path = tmp_path / "zero.wav"
    soundfile.write(path, np.zeros(0), RATE)
    with pytest.raises(InputError, match="zero.wav has none"):
        read_sound(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_their_place(tmp_path, value):
    path = tmp_path / "bad.wav"
    samples = TONE.copy()
    samples[[800, 900]] = value
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"2 of 16000 in bad.wav are NaN or infinite, the first at 0.050 s"):
        read_sound(path)


@pytest.mark.parametrize("value", ["", None, "ten", float("nan"), float("inf"), 1.5, 31])
def test_numbers_out_of_range_are_refused_with_range_and_value(value):
    with pytest.raises(InputError, match="The stride must be a number from 2 to 25 ms; got"):
        check_number("The stride", value, 2, 25, "ms")
    assert check_number("The stride", "10", 2, 25) == 10


def test_choices():
    assert check_choice("The log", "ln", ("ln", "db")) == "ln"
    with pytest.raises(InputError, match="The log must be one of ln, db; got 'log2'"):
        check_choice("The log", "log2", ("ln", "db"))
