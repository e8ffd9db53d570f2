"""A cell taken apart: the numbers add up, and equal what numpy computes from the samples."""

from dataclasses import replace

import numpy as np
import pytest

from demos.speech_features.algorithm import extract
from demos.speech_features.closeup import compare_windows, correlate_bin, explain_cell
from demos.speech_features.recipes import LECTURE, RECIPES
from tests.signals import RATE, SIGNALS

TRACES = {name: extract(SIGNALS["speech"], RATE, recipe) for name, recipe in RECIPES.items()}
TRACES["own"] = extract(SIGNALS["silence"], RATE, replace(LECTURE, n_mels=200))


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("frame, band", [(0, 0), (20, 30), (41, 79)])
def test_the_chain_adds_up(name, frame, band):
    trace = TRACES[name]
    cell = explain_cell(trace, frame, band)
    np.testing.assert_array_equal(cell.products, cell.weights * cell.power)
    assert sum(cell.products) == pytest.approx(cell.mel_energy, rel=1e-12, abs=1e-300)
    assert cell.mel_energy == pytest.approx(trace.mel_energies[frame, band], rel=1e-9, abs=1e-25)
    assert cell.log_mel == pytest.approx(trace.log_mel[frame, band], rel=1e-12)
    assert cell.steps[0][1] == cell.mel_energy
    assert cell.steps[-1][1] == cell.log_mel
    left, _, right = trace.band_edges_hz[band]
    assert ((left < cell.hz) & (cell.hz < right)).all()
    # The first and the last link, by numpy alone: these samples, this window, this sum.
    spectrum = np.fft.rfft(trace.windowed[frame], trace.recipe.fft_samples)
    np.testing.assert_allclose(cell.power, np.abs(spectrum[cell.bins]) ** 2, rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("name", ["WHISPER", "LIBROSA"])
def test_a_cell_below_the_range_is_raised_to_it(name):
    trace = TRACES[name]
    frame, band = np.unravel_index(trace.log_energies.argmin(), trace.log_energies.shape)
    cell = explain_cell(trace, int(frame), int(band))
    assert trace.log_energies[frame, band] < trace.log_energies.max() - trace.recipe.dynamic_range
    assert cell.log_mel == pytest.approx(trace.log_mel.min(), rel=1e-12)


def test_steps_show_floor_range_and_scale():
    names = [label for label, _ in explain_cell(TRACES["WHISPER"], 10, 5).steps]
    assert any("maximum − 8" in name for name in names)
    assert any(name.startswith("plus 4, over 4") for name in names)
    assert any("floor" in name for name, _ in explain_cell(TRACES["own"], 0, 3).steps)


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("k", [0, 1, 37, 200])
def test_a_bin_is_the_sum_of_its_products(name, k):
    trace = TRACES[name]
    wave = correlate_bin(trace, 20, k)
    expected = np.fft.rfft(trace.windowed[20], trace.recipe.fft_samples)[k]
    scale = np.abs(trace.windowed[20]).sum() or 1.0
    assert complex(wave.real, wave.imaginary) == pytest.approx(expected, abs=1e-12 * scale)
    assert wave.cosine_products.sum() == pytest.approx(wave.real, abs=1e-15)
    assert -wave.sine_products.sum() == pytest.approx(wave.imaginary, abs=1e-15)
    assert wave.power == pytest.approx(trace.power[20, k], rel=1e-9, abs=1e-12 * scale)


def test_windows_are_compared_on_the_same_frame():
    trace = TRACES["LECTURE"]
    windows = compare_windows(trace, 20)
    for name, shape in (
        ("rectangular", np.ones(400)),
        ("hamming", np.hamming(400)),
        ("hann", np.hanning(400)),
    ):
        power = np.abs(np.fft.rfft(trace.frames[20] * shape, 512)) ** 2
        np.testing.assert_allclose(windows.power_db[name], 10 * np.log10(np.maximum(power, 1e-11)), atol=1e-6)
    np.testing.assert_allclose(
        windows.power_db["hamming"], 10 * np.log10(np.maximum(trace.power[20], 1e-11)), atol=1e-9
    )
    assert windows.main_lobe_hz == {"rectangular": 80, "hamming": 160, "hann": 160}
    assert windows.bin_hz == 31.25


def test_windows_are_compared_after_mean_removal_and_pre_emphasis():
    trace = extract(SIGNALS["speech"] + 0.1, RATE, RECIPES["KALDI80"])
    centred = trace.frames[20] - trace.frames[20].mean()
    emphasised = centred - 0.97 * np.concatenate([centred[:1], centred[:-1]])
    power = np.abs(np.fft.rfft(emphasised * np.hamming(400), 512)) ** 2
    expected = 10 * np.log10(np.maximum(power, 1e-11))
    np.testing.assert_allclose(compare_windows(trace, 20).power_db["hamming"], expected, atol=1e-6)


@pytest.mark.parametrize("window, zero", [("rectangular", 1), ("hamming", 2), ("hann", 2)])
def test_the_main_lobe_ends_where_the_formula_says(window, zero):
    """The first zero beside the peak of a window's spectrum, found numerically, is half the lobe."""
    recipe = replace(LECTURE, window=window, periodic=True, n_fft=400 * 64)
    trace = extract(np.ones(400), RATE, recipe)
    width = compare_windows(trace, 0).main_lobe_hz[window]
    half = int(width / 2 / trace.bin_hz)
    near = trace.power[0, : 2 * half]
    assert near[half] < 1e-6 * near[0]
    assert (np.diff(near[: half - 2]) < 0).all()
    assert width == 2 * zero * RATE / 400


def test_leakage_rectangular_spreads_further_than_hamming():
    tone = 0.5 * np.sin(2 * np.pi * 1010 * np.arange(RATE) / RATE)
    windows = compare_windows(extract(tone, RATE, LECTURE), 10)
    far = slice(100, 250)  # from 3 to 8 kHz: none of the tone
    peak = {name: db.max() for name, db in windows.power_db.items()}
    assert windows.power_db["rectangular"][far].mean() - peak["rectangular"] > (
        windows.power_db["hamming"][far].mean() - peak["hamming"] + 8
    )


def test_outside_the_picture_is_refused_with_the_range():
    trace = TRACES["LECTURE"]
    with pytest.raises(ValueError, match=r"frame must be in 0\.\.197; got 198"):
        explain_cell(trace, 198, 0)
    with pytest.raises(ValueError, match=r"band must be in 0\.\.79; got -1"):
        explain_cell(trace, 0, -1)
    with pytest.raises(ValueError, match=r"bin must be in 0\.\.256; got 257"):
        correlate_bin(trace, 0, 257)
    with pytest.raises(ValueError, match="frame"):
        compare_windows(trace, 999)
