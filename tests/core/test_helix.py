"""Helices, tested by properties that do not use their formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.core.detector import FACE_BARREL, FACE_ENDCAP, FACE_NONE
from partflow.core.helix import HelixState, advance, path_to_cylinder, perigee, to_calorimeter
from partflow.core.known_detectors import CLD, CLIC

GEOMETRY = CLIC.geometry()
ORIGIN = (0.0, 0.0, 0.0)

momenta = st.tuples(st.floats(0.05, 500.0), st.floats(-math.pi, math.pi), st.floats(-1.4, 1.4)).map(
    lambda v: (v[0] * math.cos(v[1]), v[0] * math.sin(v[1]), v[0] * math.tan(v[2]))
)
vertices = st.tuples(st.floats(-500, 500), st.floats(-500, 500), st.floats(-1000, 1000))
charges = st.sampled_from([-1, 1])


def step(state, charge, path):
    """A small step of the equation of motion: the momentum rotates by -q B x dl."""
    x, y, z, px, py, pz = state
    pt = math.hypot(px, py)
    angle = -charge * GEOMETRY.bending * path / pt
    px, py = (
        px * math.cos(angle) - py * math.sin(angle),
        px * math.sin(angle) + py * math.cos(angle),
    )
    return x + path * px / pt, y + path * py / pt, z + path * pz / pt, px, py, pz


@pytest.mark.parametrize("charge", [-1, 0, 1, 2])
def test_a_path_solves_the_equation_of_motion(charge):
    state, path, steps = (12.0, -30.0, 5.0, 0.6, -0.3, 0.4), 900.0, 20_000
    stepped = state
    for _ in range(steps):
        stepped = step(stepped, charge, path / steps)
    x, y, z, px, py = advance(GEOMETRY.bending, HelixState(*state, charge), path)
    assert (x, y, z) == pytest.approx(stepped[:3], abs=0.1)
    assert (px, py) == pytest.approx(stepped[3:5], abs=1e-6)


@given(momenta, vertices, st.sampled_from([-1, 0, 1]))
def test_a_particle_at_the_calorimeter_is_on_its_face_and_has_the_same_momentum(
    momentum, vertex, charge
):
    face, x, y, z, px, py, pz = to_calorimeter(GEOMETRY, HelixState(*vertex, *momentum, charge))
    if face == FACE_BARREL:
        assert math.hypot(x, y) == pytest.approx(CLIC.ecal.inner_radius, abs=1e-5)
        assert abs(z) <= CLIC.ecal.endcap_z + 1e-6
        assert x * px + y * py >= -1e-3 * math.hypot(px, py)  # outwards
    elif face == FACE_ENDCAP:
        assert z == math.copysign(CLIC.ecal.endcap_z, pz)
        assert CLIC.endcap_inner_radius <= math.hypot(x, y) <= CLIC.ecal.inner_radius + 1e-6
    if face != FACE_NONE:
        assert math.hypot(px, py) == pytest.approx(math.hypot(*momentum[:2]), rel=1e-9)
        assert pz == momentum[2]


@given(momenta, vertices, charges)
def test_opposite_charges_have_mirrored_paths(momentum, vertex, charge):
    def mirrored(values):
        return (values[0], -values[1], values[2])

    face, x, y, z, *_ = to_calorimeter(GEOMETRY, HelixState(*vertex, *momentum, charge))
    other = to_calorimeter(GEOMETRY, HelixState(*mirrored(vertex), *mirrored(momentum), -charge))
    assert other[0] == face
    assert other[1:4] == pytest.approx((x, -y, z), abs=1e-5)


@given(momenta, vertices, charges)
def test_the_path_to_a_cylinder_is_the_first_crossing(momentum, vertex, charge):
    px, py, _ = momentum
    start = HelixState(*vertex, *momentum, charge)
    path = path_to_cylinder(GEOMETRY.bending, start.x, start.y, px, py, charge, 1500.0)
    once_round = 2 * math.pi * math.hypot(px, py) / GEOMETRY.bending
    for s in np.linspace(0.0, min(path, once_round), 20)[1:-1].tolist():
        x, y, *_ = advance(GEOMETRY.bending, start, s)
        assert math.hypot(x, y) < 1500.0 + 1e-5


@given(momenta, vertices, charges)
def test_the_vertex_lies_on_the_helix_of_its_perigee(momentum, vertex, charge):
    """Within 1 um, from the definition of the LCIO parameters."""
    d0, z0, phi, omega, tan_lambda = perigee(
        GEOMETRY.bending, HelixState(*vertex, *momentum, charge)
    )
    radius = 1.0 / omega
    centre = ((radius - d0) * math.sin(phi), -(radius - d0) * math.cos(phi))
    distance = math.hypot(vertex[0] - centre[0], vertex[1] - centre[1])
    assert distance == pytest.approx(abs(radius), abs=1e-3)
    assert math.copysign(1, omega) == charge
    # along z: the angle around the centre, from perigee to vertex, times the pitch
    start = math.atan2(-d0 * 0 - centre[1] + d0 * math.cos(phi), -d0 * math.sin(phi) - centre[0])
    stop = math.atan2(vertex[1] - centre[1], vertex[0] - centre[0])
    path = ((start - stop) * math.copysign(1, radius) + math.pi) % (2 * math.pi) - math.pi
    assert z0 + path * abs(radius) * tan_lambda == pytest.approx(vertex[2], abs=1e-3)


def test_a_positive_particle_turns_clockwise_as_seen_from_positive_z():
    x, y, *_ = advance(GEOMETRY.bending, HelixState(*ORIGIN, 1.0, 0.0, 0.0, 1), 500.0)
    assert x > 0
    assert y < 0


def test_the_radius_of_a_track_is_pt_over_the_bending_power():
    # 0.3 GeV/(T m) x 4 T: at 1.2 GeV the radius is one metre, to 0.1 %
    x, y, *_ = advance(GEOMETRY.bending, HelixState(*ORIGIN, 1.2, 0.0, 0.0, -1), math.pi * 1000.0)
    assert math.hypot(x, y) == pytest.approx(2000.0, rel=1e-3)


@pytest.mark.parametrize(
    ("vertex", "momentum", "charge"),
    [
        (ORIGIN, (0.0, 0.0, 0.0), 1),  # at rest
        (ORIGIN, (0.0, 0.0, 5.0), 1),  # along the beam
        (ORIGIN, (0.0, 0.0, -5.0), 0),
        (ORIGIN, (0.1, 0.0, 5.0), 0),  # into the beam pipe
        (ORIGIN, (0.3, 0.0, 0.0), 1),  # circles without end
        (ORIGIN, (0.3, 0.0, 0.001), 1),  # curls beyond max_path
        ((1600.0, 0.0, 0.0), (1.0, 0.0, 0.0), 0),  # outside the tracker
        ((0.0, 0.0, 2400.0), (1.0, 0.0, 0.0), 0),
    ],
)
def test_particles_that_do_not_reach_the_calorimeter_end_at_a_finite_point(
    vertex, momentum, charge
):
    result = to_calorimeter(GEOMETRY, HelixState(*vertex, *momentum, charge))
    assert result[0] == FACE_NONE
    assert np.isfinite(result).all()


def test_a_slow_particle_curls_to_the_endcap():
    assert to_calorimeter(GEOMETRY, HelixState(*ORIGIN, 0.5, 0.0, 0.3, 1))[0] == FACE_ENDCAP
    assert to_calorimeter(GEOMETRY, HelixState(*ORIGIN, 5.0, 0.0, 0.4, 1))[0] == FACE_BARREL


def test_in_half_the_field_a_path_bends_half_as_much():
    assert CLD.geometry().bending == pytest.approx(GEOMETRY.bending / 2)
    *_, px, py = advance(GEOMETRY.bending, HelixState(*ORIGIN, 2.0, 0.0, 0.0, 1), 400.0)
    *_, px_cld, py_cld = advance(
        CLD.geometry().bending, HelixState(*ORIGIN, 2.0, 0.0, 0.0, 1), 800.0
    )
    assert (px_cld, py_cld) == pytest.approx((px, py))
