"""The stored hadronic scale was fitted with the present simulation."""

import numpy as np
import pytest

from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.known_detectors import DETECTORS
from partflow.pipeline.calibration import Showers
from partflow.simulate.config import SimulationConfig


@pytest.mark.parametrize("name", DETECTORS)
def test_the_scale_was_fitted_with_the_present_constants(name: str) -> None:
    """Fails when a constant changes: run `partflow calibrate NAME`."""
    scale = load_hadron_scale(DETECTORS[name])
    assert scale.simulation == SimulationConfig().fingerprint()


@pytest.mark.parametrize(("energy", "resolution"), [(10.0, 0.155), (20.0, 0.113), (50.0, 0.080)])
def test_neutral_hadrons_are_measured_at_their_energy(energy: float, resolution: float) -> None:
    """Medians within 6 %, resolutions within 15 % of the published full-simulation fit's scale."""
    sums, truth = Showers(DETECTORS["clic"])((energy, energy), 1000, 44)
    low, median, high = np.percentile(
        load_hadron_scale(DETECTORS["clic"]).energy(sums) / truth, [25, 50, 75]
    )
    assert median == pytest.approx(1.0, abs=0.06)
    assert (high - low) / 1.349 / median == pytest.approx(resolution, rel=0.15)
