"""Hits of a charged particle in the tracker: their number, and the radii of the first and last.

A particle is followed on its exact helix for half a turn, to its end or to the calorimeter,
whichever comes first: hits after half a turn do not count for the same track.
"""

from __future__ import annotations

import math

from numba import njit

from partflow.core.helix import MIN_PT, advance
from partflow.simulate.tracker.flights import NO_END, NO_SUCCESSOR
from partflow.simulate.tracks import (
    DISC_INNER_RADIUS,
    DISC_OUTER_RADIUS,
    DISC_Z,
    LAYER_HALF_LENGTH,
    LAYER_RADIUS,
)


@njit(cache=True, error_model="numpy")
def hit_pattern(rng, flight, geometry, tracker):
    """(number of hits, radius of the first, radius of the last) [mm] of a charged flight.

    A hit on a barrel layer has the layer's radius, a hit on a disc that of the crossing smeared by
    the resolution of the hits. Without a hit both radii are 0.
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
        radius = tracker.layers[layer, LAYER_RADIUS]
        if radius <= start:
            continue
        path = _path_to_radius(size, distance, azimuth, radius)
        if path > end:  # the paths to the layers further out are longer
            break
        if abs(flight.z + path * slope) > tracker.layers[layer, LAYER_HALF_LENGTH]:
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
        inner = tracker.discs[disc, DISC_INNER_RADIUS]
        outer = tracker.discs[disc, DISC_OUTER_RADIUS]
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
    """(radius, distance, angle) of the circle of a flight.

    Its radius and the distance of its centre from the z axis [mm], and the angle at the centre
    between the start of the flight and the point farthest from the axis.
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
    """Transverse path [mm] to the first crossing of a radius; 1e30 if there is none.

    The result is that of `core.helix.path_to_cylinder`, but `_circle` serves many radii.
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
    """Transverse path [mm] up to which hits count for the track."""
    end = math.pi * pt / (geometry.bending * abs(flight.charge))
    if flight.end < NO_END and flight.successor == NO_SUCCESSOR:
        end = min(end, flight.end)
    if flight.pz != 0.0:
        face_z = math.copysign(geometry.endcap_z, flight.pz)
        end = min(end, max((face_z - flight.z) * pt / flight.pz, 0.0))
    return end
