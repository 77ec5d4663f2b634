from dataclasses import replace

import numpy as np
import pytest

from partflow.core.detector import ECAL, HCAL
from partflow.core.errors import ConfigError
from partflow.core.hadron_scale import bin_sums, energy_bin, load_hadron_scale
from partflow.core.known_detectors import CLIC


def test_hits_fall_into_the_bins_of_their_energy_and_calorimeter() -> None:
    energy = np.array([0.01, 0.05, 0.2, 0.5, 0.1, 0.2, 0.5, 2.0])
    subdetector = np.array([ECAL] * 4 + [HCAL] * 4)
    assert energy_bin(energy, subdetector).tolist() == list(range(8))


def test_bin_sums_add_up_to_the_energy_of_each_group() -> None:
    rng = np.random.default_rng(0)
    energy, subdetector = rng.exponential(0.2, 500), rng.integers(0, 2, 500)
    group = rng.integers(-1, 6, 500)
    sums = bin_sums(energy, subdetector, group, 6)
    expected = np.bincount(group[group >= 0], energy[group >= 0], 6)
    np.testing.assert_allclose(sums.sum(axis=1), expected)


def test_the_scale_follows_its_formula() -> None:
    scale = load_hadron_scale(CLIC)
    constants = scale.constants
    for sums in np.random.default_rng(1).exponential(1.0, (50, 8)):
        log_total = np.clip(np.log(max(sums.sum(), 0.3)), -1, 4.5)
        weights = constants.weights.T @ [1, log_total, log_total**2]
        energy = max(sums @ weights, sums.sum() / 4)
        energy *= np.interp(np.log(energy), constants.log_energy, constants.correction)
        np.testing.assert_allclose(scale.energy(sums)[0], energy, rtol=1e-12)


def test_no_hits_have_no_energy() -> None:
    assert load_hadron_scale(CLIC).energy(np.zeros((1, 8))).tolist() == [0.0]


def test_a_scale_belongs_to_the_detector_it_was_fitted_for() -> None:
    thicker = replace(CLIC, hcal=replace(CLIC.hcal, sampling_term=0.3))
    with pytest.raises(ConfigError, match="fit it again"):
        load_hadron_scale(thicker)
    with pytest.raises(ConfigError, match="no hadronic scale"):
        load_hadron_scale(replace(CLIC, name="other"))
