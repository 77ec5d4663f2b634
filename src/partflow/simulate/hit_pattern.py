"""Which layers of the tracker a charged particle crosses, and where its first and last hit are.

A track is followed on its exact helix as far as half a turn, to where it ends or meets the
calorimeter, whichever comes first: what comes round again is no longer taken for the same track.
"""

from __future__ import annotations

import math

from numba import njit

from partflow.core.helix import MIN_PT, advance
from partflow.simulate.flights import NO_END, NO_SUCCESSOR

RADIUS, HALF_LENGTH = range(2)
"""Columns of the barrel layers."""
DISC_Z, INNER_RADIUS, OUTER_RADIUS = range(3)
"""Columns of the discs."""


@njit(cache=True, error_model="numpy")
def hit_pattern(rng, flight, geometry, tracker):
    """(number of hits, radius of the first, radius of the last) [mm] of a charged flight.

    A hit on a barrel layer has the layer's radius, one on a disc that of the crossing within the
    resolution of the hits. Without a hit both radii are 0.
    """
    pt = math.hypot(flight.px, flight.py)
    if pt < MIN_PT:
        return 0, 0.0, 0.0
    end = _end_of_pattern(flight, pt, geometry)
    slope = flight.pz / pt
    count = 0
    first_path, last_path, first, last = 1e30, -1.0, 0.0, 0.0
    start = math.hypot(flight.x, flight.y)
    size, distance, azimuth = _circle(flight, pt, geometry)
    for layer in range(len(tracker.layers)):
        radius = tracker.layers[layer, RADIUS]
        if radius <= start:
            continue
        path = _path_to_radius(size, distance, azimuth, radius)
        if path > end:  # and farther out it is longer
            break
        if abs(flight.z + path * slope) > tracker.layers[layer, HALF_LENGTH]:
            continue
        if rng.random() < tracker.hit_efficiency:
            count += 1
            if path < first_path:
                first_path, first = path, radius
            if path > last_path:
                last_path, last = path, radius
    for disc in range(len(tracker.discs)):
        if slope == 0.0:
            break
        path = (math.copysign(tracker.discs[disc, DISC_Z], slope) - flight.z) / slope
        if path <= 0.0 or path > end:
            continue
        # half a turn at most: the chord is between 2/pi of the path and the path
        inner, outer = tracker.discs[disc, INNER_RADIUS], tracker.discs[disc, OUTER_RADIUS]
        if path + start < inner or 0.63 * path - start > outer:
            continue
        x, y, _, _, _ = advance(geometry.bending, flight, path)
        radius = math.hypot(x, y)
        if not inner < radius < outer:
            continue
        if rng.random() < tracker.hit_efficiency:
            count += 1
            radius += tracker.hit_resolution * rng.standard_normal()
            if path < first_path:
                first_path, first = path, radius
            if path > last_path:
                last_path, last = path, radius
    return count, first, last


@njit(cache=True, error_model="numpy")
def _circle(flight, pt, geometry):
    """Radius of a flight's circle, distance of its centre from the z axis [mm], and the angle at
    the centre from where the flight starts on to the farthest point.
    """
    radius = pt / (geometry.bending * flight.charge)
    centre_x = flight.x + radius * flight.py / pt
    centre_y = flight.y - radius * flight.px / pt
    start = math.atan2(flight.y - centre_y, flight.x - centre_x)
    farthest = math.atan2(centre_y, centre_x)
    angle = start - farthest if radius > 0.0 else farthest - start
    return abs(radius), math.hypot(centre_x, centre_y), angle % (2.0 * math.pi)


@njit(cache=True, error_model="numpy")
def _path_to_radius(size, distance, angle, radius):
    """Transverse path [mm] to the first crossing of a radius, as `core.helix.path_to_cylinder`
    has it, for many radii of one `_circle`; 1e30 if never.
    """
    cosine = (radius**2 - distance**2 - size**2) / (2.0 * distance * size)
    if not -1.0 < cosine < 1.0:
        return 1e30
    opening = math.acos(cosine)
    first = angle - opening
    if first < 0.0:
        first += 2.0 * math.pi
    second = angle + opening
    if second >= 2.0 * math.pi:
        second -= 2.0 * math.pi
    return min(first, second) * size


@njit(cache=True, error_model="numpy")
def _end_of_pattern(flight, pt, geometry):
    """Transverse path [mm] up to which hits are looked for."""
    end = math.pi * pt / (geometry.bending * abs(flight.charge))
    if flight.end < NO_END and flight.successor == NO_SUCCESSOR:
        end = min(end, flight.end)
    if flight.pz != 0.0:
        face_z = math.copysign(geometry.endcap_z, flight.pz)
        end = min(end, max((face_z - flight.z) * pt / flight.pz, 0.0))
    return end
