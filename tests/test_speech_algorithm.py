"""The features against implementations we did not write, on six signals."""

from dataclasses import replace

import kaldi_native_fbank
import librosa
import numpy as np
import pytest
import scipy
import torch
from transformers import ASTFeatureExtractor, WhisperFeatureExtractor
from transformers.audio_utils import spectrogram

from demos.speech_features.algorithm import cut, dft, extract, window_of
from demos.speech_features.mel import hz_to_mel, mel_filter_bank, mel_to_hz
from demos.speech_features.recipes import (
    AST,
    KALDI80,
    LECTURE,
    LIBROSA,
    RECIPES,
    WHISPER,
    WHISPER128,
    Recipe,
    named,
)
from tests.signals import RATE, SIGNALS

on_all_signals = pytest.mark.parametrize("name", SIGNALS)


@pytest.mark.parametrize("recipe", [WHISPER, WHISPER128], ids=lambda r: r.name)
@on_all_signals
def test_whisper_equals_transformers(name, recipe):
    x = SIGNALS[name]
    reference = WhisperFeatureExtractor(feature_size=recipe.n_mels)(
        x, sampling_rate=RATE, padding=False, return_tensors="np"
    )["input_features"][0].T
    ours = extract(x, RATE, recipe).log_mel
    assert ours.shape == reference.shape
    np.testing.assert_allclose(ours, reference, atol=1e-4, rtol=0)
    if name == "silence":
        assert (ours == -1.5).all()


@on_all_signals
def test_ast_equals_transformers(name):
    x = SIGNALS[name]
    reference = ASTFeatureExtractor()(x.astype(np.float32), sampling_rate=RATE, return_tensors="np")
    ours = extract(x, RATE, AST).log_mel
    assert len(ours) == 1 + (len(x) - 400) // 160
    np.testing.assert_allclose(ours, reference["input_values"][0][: len(ours)], atol=2e-6, rtol=0)


@pytest.mark.parametrize("window", ["rectangular", "hamming"])
def test_mean_removal_and_pre_emphasis_equal_transformers(window):
    """With windows that, unlike Hann and Povey, do not hide a frame's first sample."""
    recipe = replace(LECTURE, window=window, remove_dc=True, pre_emphasis=0.97)
    shape = np.ones(400) if window == "rectangular" else np.hamming(400)
    reference = spectrogram(
        SIGNALS["speech"] + 0.1, shape, 400, 160, 512, power=2.0, center=False, preemphasis=0.97,
        remove_dc_offset=True, dtype=np.float64,
    ).T  # fmt: skip
    ours = extract(SIGNALS["speech"] + 0.1, RATE, recipe).power
    np.testing.assert_allclose(ours, reference, rtol=1e-4, atol=1e-6 * reference.max())


@on_all_signals
def test_kaldi_equals_kaldi_native_fbank(name):
    x = SIGNALS[name]
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.samp_freq = RATE
    options.mel_opts.num_bins = 80
    options.mel_opts.low_freq, options.mel_opts.high_freq = 20, 0
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(RATE, x.astype(np.float32).tolist())
    fbank.input_finished()
    reference = np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])
    ours = extract(x, RATE, KALDI80).log_mel
    assert len(ours) == 1 + (len(x) - 400) // 160
    difference = np.abs(ours - reference)
    assert difference.max() < 2e-2
    assert difference.mean() < 2e-4


@on_all_signals
def test_librosa_equals_librosa(name):
    x = SIGNALS[name]
    reference = librosa.power_to_db(librosa.feature.melspectrogram(y=x, sr=22050)).T
    ours = extract(x, 22050, LIBROSA).log_mel
    assert ours.shape == reference.shape
    assert np.abs(ours - reference).max() <= 2e-6 * np.abs(reference).max()


@on_all_signals
def test_lecture_equals_numpy_written_out(name):
    """Every step of the lecture in numpy and librosa's bank, none of it ours."""
    x = SIGNALS[name]
    frames = librosa.util.frame(x, frame_length=400, hop_length=160).T
    power = np.abs(np.fft.rfft(frames * np.hamming(400), 512)) ** 2
    bank = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=80, htk=True, norm=None, dtype=np.float64)
    reference = np.log(np.maximum(power @ bank.T, 1e-10))
    np.testing.assert_allclose(extract(x, RATE, LECTURE).log_mel, reference, atol=1e-9, rtol=0)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda r: r.name)
def test_single_precision_stays_single_and_close(recipe):
    x = SIGNALS["speech"]
    double, single = extract(x, RATE, recipe), extract(x.astype(np.float32), RATE, recipe)
    assert single.log_mel.dtype == single.windowed.dtype == np.float32
    assert single.spectrum.dtype == np.complex64
    kept = double.mel_energies > 1e-6  # below, single precision has no digits left beside loud bins
    np.testing.assert_allclose(single.log_energies[kept], double.log_energies[kept], atol=2e-2)
    assert np.abs(single.log_energies - double.log_energies)[kept].mean() < 1e-4


def test_lecture_bank_equals_librosa():
    reference = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=80, htk=True, norm=None, dtype=np.float64)
    np.testing.assert_allclose(mel_filter_bank(LECTURE), reference, atol=1e-12, rtol=0)
    htk = replace(LECTURE, mel_scale="htk")
    np.testing.assert_allclose(mel_filter_bank(htk), reference, atol=1e-12, rtol=0)


@pytest.mark.parametrize("n_fft, n_mels", [(400, 80), (400, 128), (2048, 128)])
def test_slaney_bank_equals_librosa(n_fft, n_mels):
    recipe = replace(WHISPER, window_samples=400, n_fft=n_fft, n_mels=n_mels)
    reference = librosa.filters.mel(sr=RATE, n_fft=n_fft, n_mels=n_mels, dtype=np.float64)
    np.testing.assert_allclose(mel_filter_bank(recipe), reference, atol=1e-8, rtol=0)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_bank_between_two_frequencies_equals_librosa(scale):
    recipe = replace(LECTURE, mel_scale=scale, n_mels=40, fmin=300.0, fmax=3400.0)
    reference = librosa.filters.mel(
        sr=RATE, n_fft=512, n_mels=40, fmin=300, fmax=3400, htk=scale == "htk", norm=None, dtype=np.float64
    )
    np.testing.assert_allclose(mel_filter_bank(recipe), reference, atol=1e-12, rtol=0)


@on_all_signals
@pytest.mark.parametrize("n_fft", [400, 512, 1000])
def test_own_dft_equals_numpy(name, n_fft):
    frames = cut(SIGNALS[name], LECTURE)[::7]
    reference = np.fft.rfft(frames, n_fft)
    scale = np.abs(reference).max() or 1.0
    assert np.abs(dft(frames, n_fft) - reference).max() <= 1e-12 * scale


def test_fast_spectrum_equals_own_dft():
    trace = extract(SIGNALS["speech"], RATE, LECTURE)
    slow = dft(trace.windowed, 512)
    assert np.abs(trace.spectrum - slow).max() <= 1e-12 * np.abs(slow).max()


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("n", [7, 400])
def test_windows_equal_torch_and_scipy(n, periodic):
    for name in ("hamming", "hann"):
        ours = window_of(name, n, periodic)
        of_torch = getattr(torch, f"{name}_window")(n, periodic=periodic, dtype=torch.float64)
        np.testing.assert_allclose(ours, of_torch.numpy(), atol=1e-14)
        np.testing.assert_allclose(ours, scipy.signal.get_window(name, n, fftbins=periodic), atol=1e-14)
    assert (window_of("rectangular", n, periodic) == 1).all()


def test_mel_scales_equal_librosa_and_invert():
    hz = np.linspace(0, 12000, 997)
    np.testing.assert_allclose(hz_to_mel(hz, "slaney"), librosa.hz_to_mel(hz), rtol=1e-12)
    np.testing.assert_allclose(hz_to_mel(hz, "htk"), librosa.hz_to_mel(hz, htk=True), rtol=1e-12)
    # The lecture's 1127 is HTK's 2595 / ln 10 = 1126.994, rounded.
    np.testing.assert_allclose(hz_to_mel(hz, "lecture"), hz_to_mel(hz, "htk"), rtol=1e-5)
    assert hz_to_mel(np.array([700.0]), "lecture")[0] == pytest.approx(1127 * np.log(2))
    for scale in ("lecture", "htk", "slaney"):
        np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz, scale), scale), hz, atol=1e-8)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda r: r.name)
def test_trace_has_every_stage_in_its_shape(recipe):
    x = SIGNALS["speech"]
    trace = extract(x, RATE, recipe)
    t, n, k, m = trace.n_frames, recipe.window_samples, recipe.n_bins, recipe.n_mels
    assert trace.frames.shape == trace.windowed.shape == (t, n)
    assert trace.window.shape == (n,)
    assert trace.spectrum.shape == trace.power.shape == (t, k)
    assert trace.filter_bank.shape == (m, k)
    assert trace.mel_energies.shape == trace.log_energies.shape == trace.log_mel.shape == (t, m)
    assert trace.quantized is trace.samples
    assert trace.duration_s == len(x) / RATE
    assert trace.band_edges_hz.shape == (m, 3)
    assert trace.nbytes > trace.spectrum.nbytes
    assert named(trace.recipe) == recipe.name


@pytest.mark.parametrize("quantizer", ["none", "mid-rise"])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda r: r.name)
def test_nbytes_is_the_memory_that_the_arrays_span(recipe, quantizer):
    trace = extract(SIGNALS["noise"], RATE, replace(recipe, quantizer=quantizer))
    spans = sorted(np.lib.array_utils.byte_bounds(a) for a in vars(trace).values() if hasattr(a, "shape"))
    held, end = 0, 0
    for low, high in spans:
        held += max(0, high - max(low, end))
        end = max(end, high)
    # Of a padded copy, the last frames may leave some samples out.
    assert held <= trace.nbytes <= held + 8 * recipe.fft_samples


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_trace_cannot_be_changed_and_the_callers_array_can(kind):
    x = SIGNALS["speech"].astype(kind)
    trace = extract(x, RATE, WHISPER)
    for array in (a for a in vars(trace).values() if hasattr(a, "shape")):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    x[0] = 1.0


def test_frame_starts_are_where_the_frames_were_cut():
    x = SIGNALS["noise"]
    for recipe in (LECTURE, WHISPER, replace(WHISPER, n_fft=512)):
        trace = extract(x, RATE, recipe)
        for t in (3, 50):
            start = round(trace.frame_starts_s[t] * RATE)
            np.testing.assert_array_equal(trace.frames[t], x[start : start + recipe.window_samples])


def test_tone_is_loudest_in_its_bin_and_band():
    trace = extract(SIGNALS["tone"], RATE, LECTURE)
    assert trace.power[50].argmax() * trace.bin_hz == pytest.approx(1000, abs=trace.bin_hz / 2)
    left, _, right = trace.band_edges_hz[trace.log_mel[50].argmax()]
    assert left < 1000 < right


def test_parseval():
    """The power over all bins equals the energy of the windowed frame times N."""
    trace = extract(SIGNALS["speech"], RATE, LECTURE)
    both_sides = trace.power[:, 0] + 2 * trace.power[:, 1:-1].sum(1) + trace.power[:, -1]
    np.testing.assert_allclose(both_sides, 512 * (trace.windowed**2).sum(1), rtol=1e-10, atol=1e-20)


def test_empty_filters_are_those_without_a_bin():
    trace = extract(SIGNALS["noise"], RATE, replace(LECTURE, n_mels=200))
    assert len(trace.empty_filters) > 0
    k_hz = np.arange(257) * RATE / 512
    for m, (left, _, right) in enumerate(trace.band_edges_hz):
        assert (m in trace.empty_filters) == (not ((k_hz > left) & (k_hz < right)).any())
    assert (trace.mel_energies[:, trace.empty_filters] == 0).all()


def test_silence_is_the_floor():
    assert (extract(SIGNALS["silence"], RATE, LECTURE).log_mel == np.log(1e-10)).all()


@pytest.mark.parametrize(
    "change, words",
    [
        ({"window_samples": 100}, "at least as long as the stride .160 samples, 10 ms.; got 100"),
        ({"n_fft": 256}, "must hold the window's 400 samples; got 256"),
        ({"n_fft": 0}, "must hold the window's 400 samples; got 0"),
        ({"offset": np.nan}, "offset must be a finite number; got nan"),
        ({"scale": np.inf}, "scale must be a finite number; got inf"),
        ({"fmax": 9000.0}, "half the sampling rate .8000 Hz.; got 9000 Hz"),
        ({"fmin": 8000.0}, "got 8000 Hz"),
        ({"fmin": -1.0}, "got -1 Hz"),
        ({"bits": 17}, "1..16; got 17"),
        ({"window": "kaiser"}, "rectangular, hamming, hann, povey; got kaiser"),
        ({"n_mels": 0}, "n_mels must be greater than 0; got 0"),
        ({"floor": 0.0}, "floor must be greater than 0; got 0"),
        ({"pre_emphasis": 1.0}, "got 1.0"),
        ({"dynamic_range": 0.0}, "got 0.0"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_words(change, words):
    with pytest.raises(ValueError, match=words):
        replace(LECTURE, **change)


@pytest.mark.parametrize(
    "x, recipe, words",
    [
        (np.zeros(0), LECTURE, "got none"),
        (np.zeros(399), LECTURE, "400 samples, 25 ms.*got 399 samples, 24.94 ms"),
        (np.zeros(200), WHISPER, "more than 200 samples"),
        (np.array([0.0, np.nan] * 400), LECTURE, "400 of 800 are NaN or infinite, the first at 0.000"),
        (np.array([0.0] * 800 + [np.inf]), LECTURE, "1 of 801 .* at 0.050 s"),
        (np.zeros((2, 800)), LECTURE, r"\[2, 800\]"),
    ],
)
def test_sounds_that_cannot_be_are_refused_in_words(x, recipe, words):
    with pytest.raises(ValueError, match=words):
        extract(x, RATE, recipe)


def test_rate_must_be_positive():
    for rate in (0, -1):
        with pytest.raises(ValueError, match=f"got {rate}"):
            extract(np.zeros(800), rate, LECTURE)


def test_a_recipe_is_recognised_by_its_settings_alone():
    own = Recipe(name="own", source="here")
    assert named(own) == "LECTURE"
    assert named(replace(own, hop_samples=161)) is None
    assert named(replace(AST, n_fft=512, fmax=8000.0)) == "AST"
