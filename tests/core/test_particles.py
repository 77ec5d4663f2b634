import numpy as np
import pytest

from partflow.core.errors import DataError
from partflow.core.particles import CLASSES, charges, class_index, classes, masses


def test_antiparticles_carry_the_opposite_charge_and_the_same_mass() -> None:
    pdg_id = np.array([11, 13, 211, 321, 2212, 3112, 3312, 3334])
    assert (charges(-pdg_id) == -charges(pdg_id)).all()
    np.testing.assert_allclose(masses(-pdg_id), masses(pdg_id))


def test_particles_fall_into_the_five_classes_that_a_detector_distinguishes() -> None:
    pdg_id = np.array([22, -11, 13, -211, 321, 2212, 130, 2112, -3122])
    expected = [22, 11, 13, 211, 211, 211, 130, 130, 130]
    assert classes(pdg_id, charges(pdg_id)).tolist() == expected
    assert class_index(np.array(CLASSES)).tolist() == list(range(len(CLASSES)))


def test_an_ion_has_charge_and_mass() -> None:
    alpha = np.array([1000020040])
    assert charges(alpha).tolist() == [2]
    np.testing.assert_allclose(masses(alpha), 3.73, rtol=0.01)


@pytest.mark.parametrize("code", [0, 99999999999, 1, -6])
def test_particles_that_reach_no_detector_are_refused_and_their_id_named(code: int) -> None:
    with pytest.raises(DataError, match=str(code)):
        charges(np.array([code]))
