"""Hits in the muon system: muons that cross it, and hadrons that punch through.

With the geometry of the yoke (`cross_yoke`): a muon loses `Yoke.muon_loss` in front of it, is
scattered by the material it has crossed, and stops in the layer in which its energy ends. Without
it (`num_yoke_hits`): a muon above a momentum crosses all layers. A hadron above 10 GeV punches
through with a probability of 1 %, in a direction as wide as its shower (a choice of ours).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.detector import BARREL, ENDCAP, FACE_NONE
from partflow.core.units import LIGHT_SPEED_MM_PER_NS
from partflow.simulate.directions import Ray, tilted
from partflow.simulate.tracker.flights import NO_END, Species, face_of
from partflow.simulate.yoke import YOKE_HIT, cell_at, crossing, leave

_PUNCH_THROUGH = 0.01  # probability
_MIN_PUNCH_MOMENTUM = 10.0  # GeV
_PUNCH_LAYERS = 3  # at most
_PUNCH_ANGLE = 0.1  # rad


@njit(cache=True, error_model="numpy")
def num_yoke_hits(rng, flight, geometry, tracker):
    """Number of layers of the yoke in which a flight leaves a hit, without the yoke's geometry."""
    momentum = math.sqrt(flight.px**2 + flight.py**2 + flight.pz**2)
    is_muon = flight.species == Species.MUON
    is_hadron = flight.species >= Species.MESON
    if not (is_muon and momentum > tracker.min_muon_momentum) and not (
        is_hadron and momentum > _MIN_PUNCH_MOMENTUM and rng.random() < _PUNCH_THROUGH
    ):
        return 0
    if flight.end < NO_END or face_of(flight, geometry)[0] == FACE_NONE:
        return 0
    if is_hadron:
        return 1 + int(_PUNCH_LAYERS * rng.random())
    hits = 0
    for _ in range(tracker.yoke_layers):
        if rng.random() < tracker.yoke_efficiency:
            hits += 1
    return hits


@njit(cache=True, error_model="numpy")
def cross_yoke(rng, flights, yoke):
    """Rows of YOKE_HIT of one event's flights, in the order of the flights."""
    num_layers = len(yoke.radii)
    hits = np.empty(2 * num_layers * len(flights), dtype=YOKE_HIT)
    count = 0
    for i in range(len(flights)):
        flight = flights[i]
        momentum = math.sqrt(flight.px**2 + flight.py**2 + flight.pz**2)
        is_muon = flight.species == Species.MUON
        if is_muon:
            left = momentum - yoke.muon_loss
            angle = yoke.scattering / momentum
            max_layers = 2 * num_layers
        else:
            if flight.species < Species.MESON or momentum < _MIN_PUNCH_MOMENTUM:
                continue
            if rng.random() >= _PUNCH_THROUGH:
                continue
            left, angle = momentum, _PUNCH_ANGLE
            max_layers = 1 + int(_PUNCH_LAYERS * rng.random())
        if left <= 0.0 or flight.end < NO_END:
            continue
        face, x, y, z, px, py, pz = face_of(flight, yoke.geometry)
        if face == FACE_NONE:
            continue
        ray = _scattered(rng, leave(yoke, x, y, z, px, py, pz, flight.charge), angle)
        crossed = 0
        for step in range(2 * num_layers):
            region, layer = (BARREL, step) if step < num_layers else (ENDCAP, step - num_layers)
            is_crossed, x, y, z = crossing(yoke, region, layer, ray)
            if not is_crossed:
                continue
            if crossed >= max_layers or (is_muon and left < yoke.muon_loss_per_layer * crossed):
                break
            crossed += 1
            if rng.random() >= yoke.efficiency:
                continue
            hit = hits[count]
            hit.x, hit.y, hit.z = cell_at(yoke, region, layer, x, y, z)
            path = math.sqrt((x - flight.x) ** 2 + (y - flight.y) ** 2 + (z - flight.z) ** 2)
            hit.time = flight.time + path / LIGHT_SPEED_MM_PER_NS
            hit.region, hit.layer, hit.particle_index = region, layer, flight.origin
            count += 1
    return hits[:count]


@njit(cache=True, error_model="numpy")
def _scattered(rng, ray, angle):
    """The ray after scattering by `angle` [rad], the standard deviation in each of two planes."""
    polar = angle * math.sqrt(2.0 * rng.standard_exponential())
    dx, dy, dz = tilted(rng, ray.dx, ray.dy, ray.dz, math.cos(min(polar, 0.5 * math.pi)))
    return Ray(ray.x, ray.y, ray.z, dx, dy, dz)
