"""Detector and settings as plain numbers and arrays, for the kernels of the fast simulation.

Everything is derived from a `Detector` and a `SimulationConfig`: the geometry and the media of the
calorimeters (`ShowerConstants`), their cells (`cells.CellGrid`), the tracker
(`tracks.TrackerConstants`) and its material (`tracker_material.TrackerMaterial`).
"""

from __future__ import annotations

from typing import NamedTuple

from partflow.core.detector import Detector, Geometry
from partflow.core.records import Array
from partflow.simulate.cells import CellGrid, cell_grid
from partflow.simulate.config import SimulationConfig
from partflow.simulate.fast.electromagnetic import radial_table
from partflow.simulate.fast.medium import media
from partflow.simulate.tracker.tracker_material import TrackerMaterial, tracker_material
from partflow.simulate.tracks import TrackerConstants, tracker_constants


class CascadeConstants(NamedTuple):
    """Constants of the hadronic cascade: fields of `SimulationConfig`, which describes them."""

    transverse_momentum: float
    nuclear_fraction_low: float
    nuclear_fraction_high: float
    nuclear_energy: float
    nuclear_shape: float
    terminal_alpha: float
    terminal_beta: float
    terminal_energy: float
    multiplicity_slope: float
    neutral_pion_fraction: float
    neutral_hadron_fraction: float
    visible_nuclear: float
    meson_path_factor: float
    leading_weight: float


class ShowerConstants(NamedTuple):
    """What showers depend on: the calorimeters, and the settings of the shower models."""

    geometry: Geometry
    media: Array
    """[medium]: rows of MEDIUM."""
    radial_table: Array
    """See `electromagnetic.radial_table`."""
    max_spots: int
    """Largest number of spots of one electromagnetic shower."""
    cascade: CascadeConstants


class EventConstants(NamedTuple):
    """What the kernel of an event depends on."""

    shower: ShowerConstants
    grid: CellGrid
    tracker: TrackerConstants
    material: TrackerMaterial


def event_constants(detector: Detector, config: SimulationConfig) -> EventConstants:
    """The constants of a detector with the settings of a configuration."""
    rows = media(detector)
    names = CascadeConstants._fields
    return EventConstants(
        shower=ShowerConstants(
            geometry=detector.geometry(),
            media=rows,
            radial_table=radial_table(rows),
            max_spots=config.max_shower_spots,
            cascade=CascadeConstants(*(float(getattr(config, name)) for name in names)),
        ),
        grid=cell_grid(detector),
        tracker=tracker_constants(detector, config),
        material=tracker_material(detector),
    )
