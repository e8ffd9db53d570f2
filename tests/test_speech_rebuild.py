"""The sound rebuilt from features: they must say the same again."""

import librosa
import numpy as np
import pytest

from demos.speech_features.algorithm import extract
from demos.speech_features.mel import mel_filter_bank
from demos.speech_features.rebuild import energies_of, rebuild, spread
from demos.speech_features.recipes import LECTURE, RECIPES
from tests.signals import RATE, SIGNALS


@pytest.mark.parametrize("name", RECIPES)
def test_rebuilt_speech_has_the_same_features(name):
    trace = extract(SIGNALS["speech"], RATE, RECIPES[name])
    sound = rebuild(trace)
    assert len(sound) == len(trace.samples)
    assert np.abs(sound).max() <= 1
    again = extract(sound, trace.recipe.sample_rate, trace.recipe)
    assert np.corrcoef(trace.log_mel.ravel(), again.log_mel.ravel())[0, 1] > 0.9


def test_a_rebuilt_tone_is_the_tone():
    trace = extract(SIGNALS["tone"], RATE, LECTURE)
    power = np.abs(np.fft.rfft(rebuild(trace)))
    assert power.argmax() / 2 == pytest.approx(1000, abs=50)  # bins of half a hertz; a band is 100 wide


def test_a_sound_too_loud_is_scaled_to_full_scale():
    trace = extract(20 * SIGNALS["noise"], RATE, LECTURE)
    assert np.abs(rebuild(trace)).max() == pytest.approx(1.0)
    quiet = extract(0.1 * SIGNALS["noise"], RATE, LECTURE)
    assert np.abs(rebuild(quiet)).max() < 0.2


def test_silence_stays_silent():
    assert np.abs(rebuild(extract(SIGNALS["silence"], RATE, LECTURE))).max() < 1e-6


@pytest.mark.parametrize("name", RECIPES)
def test_logarithm_and_normalisation_are_undone(name):
    trace = extract(SIGNALS["noise"], RATE, RECIPES[name])
    got = energies_of(trace.log_mel, trace.recipe)
    kept = trace.log_mel > trace.log_mel.min() + 1e-9
    np.testing.assert_allclose(got[kept], trace.mel_energies[kept], rtol=1e-6)


def test_spread_comes_as_close_as_non_negative_least_squares():
    """librosa solves the same problem with scipy's L-BFGS-B."""
    trace = extract(SIGNALS["speech"], RATE, LECTURE)
    bank, energies = mel_filter_bank(LECTURE), trace.mel_energies[10:60:5]
    ours, theirs = spread(energies, bank), librosa.util.nnls(bank, energies.T).T
    assert (ours >= 0).all()

    def miss(power):
        return np.linalg.norm(power @ bank.T - energies) / np.linalg.norm(energies)

    assert miss(ours) < max(2 * miss(theirs), 0.02)
