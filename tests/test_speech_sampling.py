"""Sampling and quantization against closed forms, librosa and hand-computed levels."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
import scipy

from demos.speech_features.algorithm import extract
from demos.speech_features.recipes import LECTURE
from demos.speech_features.sampling import (
    alias_of,
    audible,
    chirp,
    quantize,
    sample,
    sine_snr_db,
    snr_db,
    spectrum_db,
    tone,
    two_tones,
)
from tests.signals import RATE, SIGNALS

QUANTIZERS = ("mid-rise", "mid-tread", "mu-law")


def strongest_hz(x: np.ndarray, rate: int) -> float:
    """By scipy's periodogram, which is not ours."""
    hz, power = scipy.signal.periodogram(x, rate, window="hann", nfft=8 * len(x))
    return float(hz[power.argmax()])


@pytest.mark.parametrize(
    "frequency, rate, lands",
    [(5000, 8000, 3000), (3000, 8000, 3000), (9000, 8000, 1000), (12000, 8000, 4000), (7000, 6000, 1000)],
)
@pytest.mark.parametrize("rate_in", [48000, 44100, 22050])
def test_a_tone_lands_at_its_alias(frequency, rate, lands, rate_in):
    assert alias_of(frequency, rate) == lands
    if frequency > 0.45 * rate_in:
        rate_in = 48000
    x = tone(frequency, 0.5, rate_in)
    y = sample(x, rate_in, rate, anti_alias=False)
    middle = y[len(y) // 8 : -len(y) // 8]
    if lands == rate / 2:  # at the Nyquist frequency itself only the phase decides what is left
        assert np.abs(middle).max() < 1e-3
        return
    assert strongest_hz(middle, rate) == pytest.approx(lands, abs=3)
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.5, rel=0.02)


def test_the_filter_removes_what_would_alias():
    y = sample(tone(5000, 0.5, 48000), 48000, 8000)
    assert np.sqrt(np.mean(y[400:-400] ** 2)) < 1e-3


@pytest.mark.parametrize("rate_out", [8000, 11025, 22050, 48000])
def test_resampling_equals_librosa(rate_out):
    x = SIGNALS["speech"]
    np.testing.assert_allclose(
        sample(x, RATE, rate_out),
        librosa.resample(x, orig_sr=RATE, target_sr=rate_out),
        atol=1e-12,
    )


def test_without_filter_a_whole_ratio_is_plain_decimation():
    x = SIGNALS["noise"]
    np.testing.assert_allclose(sample(x, RATE, 4000, anti_alias=False), x[::4], atol=1e-12)


def test_without_filter_the_curve_is_read_between_the_samples():
    """A tone well below both Nyquist frequencies is the same tone at any instants."""
    y = sample(tone(440, 1.0, 16000), 16000, 11025, anti_alias=False)
    expected = tone(440, 1.0, 11025)
    np.testing.assert_allclose(y[100:-100], expected[100:-100], atol=1e-4)


@pytest.mark.parametrize("rate_in, rate_out", [(16000, 11025), (22050, 8000), (8000, 48000), (8000, 7919)])
def test_without_filter_each_output_is_the_sum_of_sincs(rate_in, rate_out):
    """The sum written out over all input samples, one output after the other."""
    x = np.random.default_rng(2).standard_normal(500)
    y = sample(x, rate_in, rate_out, anti_alias=False)
    assert len(y) == np.ceil(500 * rate_out / rate_in)
    n = np.arange(500)
    for j in (0, 1, 7, len(y) // 2, len(y) - 1):
        away = j * rate_in / rate_out - n
        kaiser = np.i0(8 * np.sqrt(np.maximum(0, 1 - (away / 32) ** 2))) / np.i0(8)
        expected = (x * np.sinc(away) * kaiser)[np.abs(away) <= 32].sum()
        assert y[j] == pytest.approx(expected, abs=1e-10)


def test_equal_rates_change_nothing_and_bad_rates_are_refused():
    x = SIGNALS["speech"]
    assert sample(x, RATE, RATE) is x
    with pytest.raises(ValueError, match="got 16000 and 0"):
        sample(x, RATE, 0)


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("kind", QUANTIZERS)
def test_number_and_symmetry_of_levels(bits, kind):
    x = np.linspace(-1, 1, 2**18 + 1)
    x = np.sign(x) * np.expm1(np.abs(x) * np.log(256)) / 255 if kind == "mu-law" else x
    levels = np.unique(quantize(x, bits, kind))
    expected = max(2**bits - 1, 3) if kind == "mid-tread" else 2**bits
    assert len(levels) == expected
    np.testing.assert_allclose(levels, -levels[::-1], atol=1e-15)
    assert np.abs(levels).max() <= 1


def test_levels_computed_by_hand():
    x = np.array([-1.0, -0.6, -0.1, 0.0, 0.1, 0.6, 1.0])
    np.testing.assert_array_equal(quantize(x, 2, "mid-rise"), [-0.75, -0.75, -0.25, 0.25, 0.25, 0.75, 0.75])
    np.testing.assert_array_equal(quantize(x, 2, "mid-tread"), [-1, -1, 0, 0, 0, 1, 1])
    # mu-law, 2 bits: the squeezed levels are 1/4 and 3/4; 256^(1/4) = 4 and 256^(3/4) = 64.
    mu = quantize(np.array([-0.9, -0.01, 0.01, 0.9]), 2, "mu-law")
    np.testing.assert_allclose(mu, np.array([-63, -3, 3, 63]) / 255, rtol=1e-12)


@pytest.mark.parametrize("bits", [2, 5, 9])
@pytest.mark.parametrize("kind", QUANTIZERS)
def test_nearest_level_is_taken(bits, kind):
    """By a search over all levels: linear ones in full scale, mu-law's in the squeezed scale."""
    x = np.random.default_rng(1).uniform(-1, 1, 2000)
    levels = np.unique(quantize(np.linspace(-1, 1, 2**15 + 1), bits, kind))

    def scale(v):
        return np.sign(v) * np.log1p(255 * np.abs(v)) if kind == "mu-law" else v

    nearest = levels[np.abs(scale(x)[:, None] - scale(levels)).argmin(axis=1)]
    np.testing.assert_allclose(quantize(x, bits, kind), nearest, atol=1e-12)


@pytest.mark.parametrize("kind", ["mid-rise", "mid-tread"])
@pytest.mark.parametrize("bits", range(3, 15))
def test_snr_of_a_full_scale_sine(bits, kind):
    """Bennett 1948: 6.02 b + 1.76 dB, within 1 dB from 6 bits and within 3 dB from 3."""
    x = np.sin(2 * np.pi * 0.1234567 * np.arange(200_000))
    measured = snr_db(x, quantize(x, bits, kind))
    assert measured == pytest.approx(6.02 * bits + 1.76, abs=1 if bits >= 6 else 3)
    assert sine_snr_db(bits) == pytest.approx(6.0206 * bits + 1.7609, abs=1e-3)


def test_mu_law_serves_quiet_sounds_better():
    quiet = 0.01 * np.sin(2 * np.pi * 0.1234567 * np.arange(50_000))
    assert snr_db(quiet, quantize(quiet, 8, "mu-law")) > snr_db(quiet, quantize(quiet, 8, "mid-rise")) + 15


def test_snr_at_its_ends():
    zeros = np.zeros(10)
    assert snr_db(np.ones(10), np.ones(10)) == np.inf
    assert snr_db(zeros, quantize(zeros, 8, "mid-rise")) == -np.inf
    assert (quantize(zeros, 8, "mid-tread") == 0).all()


def test_quantizer_refuses():
    with pytest.raises(ValueError, match="1..16; got 0"):
        quantize(np.zeros(2), 0, "mid-rise")
    with pytest.raises(ValueError, match="got linear"):
        quantize(np.zeros(2), 8, "linear")


def test_the_trace_carries_the_quantized_samples():
    recipe = replace(LECTURE, quantizer="mid-tread", bits=4)
    trace = extract(SIGNALS["speech"], RATE, recipe)
    np.testing.assert_array_equal(trace.quantized, quantize(trace.samples, 4, "mid-tread"))
    np.testing.assert_array_equal(trace.frames[3], trace.quantized[480:880])


@pytest.mark.parametrize("anti_alias", [True, False])
def test_the_trace_is_made_from_the_resampled_sound(anti_alias):
    """5000 Hz at 8 kHz: gone with the filter, at 3000 Hz without it, in the trace's own spectrum."""
    x = tone(5000, 0.5, 48000)
    recipe = replace(LECTURE, sample_rate=8000, fmax=None, anti_alias=anti_alias)
    trace = extract(x, 48000, recipe)
    assert (len(trace.original), trace.original_rate, len(trace.samples)) == (24000, 48000, 4000)
    if anti_alias:
        expected = librosa.resample(x, orig_sr=48000, target_sr=8000)
        np.testing.assert_allclose(trace.samples, expected, atol=1e-12)
        assert trace.power[3:-3].max() < 1e-2
    else:
        np.testing.assert_allclose(trace.samples, x[::6], atol=1e-12)
        assert trace.power[10].argmax() * trace.bin_hz == pytest.approx(3000, abs=trace.bin_hz / 2)


def test_spectrum_of_a_tone_has_its_level():
    hz, db = spectrum_db(tone(1000, 1.0, 16000, amplitude=1.0), 16000)
    assert hz[db.argmax()] == pytest.approx(1000, abs=8)
    assert db.max() == pytest.approx(10 * np.log10(0.5), abs=0.3)


def test_low_rates_are_made_audible_without_changing_the_tone():
    y, rate = audible(tone(440, 1.0, 2000), 2000)
    assert rate == 8000
    assert strongest_hz(y, rate) == pytest.approx(440, abs=1)
    x = SIGNALS["speech"]
    assert audible(x, RATE) == (x, RATE)


def test_generators():
    assert strongest_hz(tone(1234, 1.0, 48000), 48000) == pytest.approx(1234, abs=1)
    pair = two_tones(1000, 3000, 1.0, 48000)
    hz, db = spectrum_db(pair, 48000)
    assert (db[np.abs(hz - 1000).argmin()], db[np.abs(hz - 3000).argmin()]) == pytest.approx(
        (-11, -11), abs=1
    )
    sweep = chirp(100, 8100, 1.0, 48000)
    for second, expected in ((0.25, 2100), (0.75, 6100)):
        piece = sweep[int((second - 0.01) * 48000) : int((second + 0.01) * 48000)]
        assert strongest_hz(piece, 48000) == pytest.approx(expected, abs=60)
