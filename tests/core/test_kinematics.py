import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from partflow.core.kinematics import (
    MAX_ABS_ETA,
    delta_phi,
    delta_r,
    eta_from_momentum,
    eta_from_theta,
    momentum_from_pt_eta_phi,
    theta_from_eta,
)

angles = st.floats(-20, 20)


@given(angles, angles)
def test_delta_phi_is_the_difference_up_to_whole_turns(a: float, b: float) -> None:
    difference = float(delta_phi(a, b))
    assert -np.pi <= difference < np.pi
    turns = (a - b - difference) / (2 * np.pi)
    assert abs(turns - round(turns)) < 1e-9


def test_delta_r_of_two_directions_across_pi_is_small() -> None:
    distance = delta_r(np.array([1.0]), np.array([3.1]), np.array([1.0]), np.array([-3.1]))
    np.testing.assert_allclose(distance, 2 * np.pi - 6.2)


@given(st.floats(-10, 10))
def test_eta_and_theta_are_inverse_functions(eta: float) -> None:
    np.testing.assert_allclose(eta_from_theta(theta_from_eta(eta)), eta, atol=1e-9)


def test_momentum_along_the_beam_has_a_large_finite_eta() -> None:
    eta = eta_from_momentum(np.zeros(2), np.zeros(2), np.array([5.0, -5.0]))
    assert eta.tolist() == [MAX_ABS_ETA, -MAX_ABS_ETA]
    assert float(eta_from_theta(0.0)) == MAX_ABS_ETA


@given(st.floats(0.01, 500), st.floats(-4, 4), st.floats(-3.1, 3.1))
def test_cartesian_momentum_gives_back_pt_eta_phi(pt: float, eta: float, phi: float) -> None:
    px, py, pz = momentum_from_pt_eta_phi(np.array([pt]), np.array([eta]), np.array([phi]))
    np.testing.assert_allclose(np.hypot(px, py), [pt])
    np.testing.assert_allclose(eta_from_momentum(px, py, pz), [eta], atol=1e-9)
    np.testing.assert_allclose(np.arctan2(py, px), [phi], atol=1e-9)
