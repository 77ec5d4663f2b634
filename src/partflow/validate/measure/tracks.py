"""Single tracks, and a check of the perigee parameters of charged particles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit

from partflow.core.helix import HelixState, perigee
from partflow.core.kinematics import delta_phi
from partflow.core.records import Array, Collection
from partflow.evaluate.sample import select
from partflow.validate.measure import estimate
from partflow.validate.measure.estimate import Estimate
from partflow.validate.summaries import TrackSample

_PERIGEE_COLUMNS = ("vx", "vy", "vz", "px", "py", "pz")


def summarise_tracks(particles: Collection, tracks: Collection) -> TrackSample:
    """One row for each event of a gun; of several tracks the first is taken."""
    num = particles.num_events
    pt = np.hypot(particles.px, particles.py)
    has_track = tracks.counts > 0
    track = tracks.offsets[:-1][has_track]

    def of_particle(values: Array) -> Array:
        """Values of the tracks [track] for each particle, NaN without a track, [particle]."""
        filled = np.full(num, np.nan)
        filled[has_track] = values
        return filled

    phi = np.arctan2(particles.py, particles.px)
    return TrackSample(
        event=np.arange(num),
        pt=pt,
        cos_theta=particles.pz / np.sqrt(pt**2 + particles.pz**2),
        inverse_pt_error=of_particle(1 / tracks.pt[track] - 1 / pt[has_track]),
        relative_pt_error=of_particle(tracks.pt[track] / pt[has_track] - 1),
        d0=of_particle(tracks.d0[track]),
        z0=of_particle(tracks.z0[track]),
        phi_error=of_particle(delta_phi(tracks.phi[track], phi[has_track])),
    )


def measure_tracks(sample: TrackSample) -> Iterator[tuple[str, Estimate]]:
    """Figures of the tracks of one sample, with their names."""
    yield "efficiency", estimate.fraction(sample.is_found, estimate.resampling(len(sample.event)))
    measured = select(sample, sample.is_found)
    bootstrap = estimate.resampling(len(measured.event))
    yield "sigma_inverse_pt", estimate.standard_deviation(measured.inverse_pt_error, bootstrap)
    yield "sigma_pt", estimate.standard_deviation(measured.relative_pt_error, bootstrap)
    yield "sigma_d0", estimate.standard_deviation(measured.d0, bootstrap)
    yield "sigma_z0", estimate.standard_deviation(measured.z0, bootstrap)
    yield "sigma_phi", estimate.standard_deviation(measured.phi_error, bootstrap)


def perigee_miss(particles: Collection, bending: float) -> Array:
    """Distance [mm] of each charged particle's vertex from the helix of its perigee parameters.

    The helix is built from (d0, z0, phi, omega, tan_lambda) alone, by the definition of the
    LCIO track parameters (LC-DET-2006-004), without the code that computed them. `bending` is
    that of `Detector.geometry()`. Returns 0 for neutral particles and for those without
    transverse momentum, [particle].
    """
    is_curved = (particles.charge != 0) & (np.hypot(particles.px, particles.py) > 0)
    curved = particles.select(is_curved)
    state = np.stack([curved.columns[name] for name in _PERIGEE_COLUMNS], axis=1)
    d0, z0, phi, omega, tan_lambda = _perigees(
        bending, state.astype(np.float64), curved.charge.astype(np.float64)
    ).T
    radius = 1 / omega
    centre_x, centre_y = (radius - d0) * np.sin(phi), -(radius - d0) * np.cos(phi)
    transverse = np.hypot(curved.vx - centre_x, curved.vy - centre_y) - np.abs(radius)
    # The circle gives the azimuth of the momentum at the vertex. The path back to the perigee is
    # the change in azimuth times the radius, up to full turns.
    sign = np.sign(omega)
    phi_vertex = np.arctan2((centre_x - curved.vx) * sign, -(centre_y - curved.vy) * sign)
    path = -delta_phi(phi_vertex, phi) * radius
    longitudinal = curved.vz - (z0 + path * tan_lambda)
    pitch = np.abs(2 * np.pi * radius * tan_lambda)
    safe_pitch = np.where(pitch > 0, pitch, 1.0)
    num_turns = np.where(pitch > 0, np.round(longitudinal / safe_pitch), 0.0)
    longitudinal = longitudinal - num_turns * safe_pitch
    miss = np.zeros(len(particles))
    miss[is_curved] = np.hypot(transverse, longitudinal)
    return miss


@njit(cache=True)
def _perigees(bending, state, charge):
    """(d0, z0, phi, omega, tan_lambda) [particle, 5] of helices through `state` [particle, 6]."""
    perigees = np.empty((len(state), 5))
    for i in range(len(state)):
        x, y, z, px, py, pz = state[i]
        start = HelixState(x, y, z, px, py, pz, charge[i])
        d0, z0, phi, omega, tan_lambda = perigee(bending, start)
        perigees[i] = d0, z0, phi, omega, tan_lambda
    return perigees
