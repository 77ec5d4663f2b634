"""From the deposits of Geant4's steps to contributions: light, time window, cells.

The cells are those of the nested box (`simulate.cells`): barrel cells lie on cylinders. Geant4's
barrel has flat staves. The layer of a deposit is its copy number; its place on the cylinder of that
layer is where the line from the collision through the deposit crosses it, so that polar angle and
azimuth are kept.
"""

from __future__ import annotations

import numpy as np

from partflow.core.detector import BARREL, ENDCAP, Detector
from partflow.core.records import Array
from partflow.core.units import LIGHT_SPEED_MM_PER_NS
from partflow.simulate.cells import NO_CELL, CellGrid, cell_keys
from partflow.simulate.digitisation import NO_CONTRIBUTIONS, Contributions
from partflow.simulate.geant4.config import Geant4Config
from partflow.simulate.geant4.layers import Part, active_depth, num_ring_layers
from partflow.simulate.hits import cell_of, contribution_key

BIRKS_CONSTANT = 0.07943
"""Birks' constant of polystyrene [mm/MeV]: Geant4's for G4_POLYSTYRENE."""
_PROTON_RANGE, _PROTON_EXPONENT = 0.022, 1.77
"""Range of a proton of 1 MeV in plastic [mm], and the power of its energy (Bragg-Kleeman rule)."""
_MEV = 1e-3  # GeV
_BARREL = (Part.ECAL_BARREL, Part.HCAL_BARREL)
_ECAL = (Part.ECAL_BARREL, Part.ECAL_ENDCAP)


def light(energy: Array, length: Array, is_neutral: Array) -> Array:
    """Energy [MeV] that a scintillator shows of deposits of `energy` [MeV] over `length` [mm].

    Birks' law: energy / (1 + kB dE/dx). A neutral hadron leaves its energy to recoiling nuclei: it
    counts as a proton that stops, as in Geant4's G4EmSaturation.
    """
    proton_range = _PROTON_RANGE * np.maximum(energy, 1e-6) ** _PROTON_EXPONENT
    path = np.where(is_neutral, proton_range, length)
    density = np.divide(energy, path, out=np.zeros_like(energy), where=path > 0)
    seen: Array = energy / (1.0 + BIRKS_CONSTANT * density)
    return seen


def is_in_window(deposits: Array, config: Geant4Config) -> Array:
    """Which deposits (rows of DEPOSIT) are in the time window, counted from light's arrival."""
    distance = np.sqrt(deposits["x"] ** 2 + deposits["y"] ** 2 + deposits["z"] ** 2)
    late = deposits["time"] - distance / LIGHT_SPEED_MM_PER_NS
    selected: Array = (late > config.window_start) & (late < config.window_end)
    return selected


def seen_energies(deposits: Array) -> Array:
    """Energy [MeV] that the active slabs see of the rows of DEPOSIT."""
    quenched = light(deposits["energy"], deposits["length"], deposits["is_neutral"])
    return np.where(np.isin(deposits["part"], _ECAL), deposits["energy"], quenched)


def em_energies(deposits: Array, detector: Detector) -> Array:
    """EM-scale energies [GeV] of the rows of DEPOSIT."""
    ecal, hcal = detector.ecal.sampling_fractions, detector.hcal.sampling_fractions
    assert ecal is not None
    assert hcal is not None
    fractions = {
        Part.ECAL_BARREL: ecal[BARREL],
        Part.ECAL_ENDCAP: ecal[ENDCAP],
        Part.HCAL_BARREL: hcal[BARREL],
        Part.HCAL_ENDCAP: hcal[ENDCAP],
        Part.HCAL_RING: hcal[ENDCAP],
    }
    table = np.array([fractions[part] for part in Part])
    energies: Array = _MEV * seen_energies(deposits) / table[deposits["part"]]
    return energies


def nested_box_positions(deposits: Array, detector: Detector) -> tuple[Array, Array, Array]:
    """x, y, z [mm] of the rows of DEPOSIT in the nested box of the cells."""
    ecal, hcal = detector.ecal, detector.hcal
    part, layer = deposits["part"], deposits["layer"]
    ring_front = hcal.endcap_z - num_ring_layers(detector) * hcal.layer_pitch
    fronts = {  # where its first layer begins, and the calorimeter it is of
        Part.ECAL_BARREL: (ecal.inner_radius, ecal),
        Part.ECAL_ENDCAP: (ecal.endcap_z, ecal),
        Part.HCAL_BARREL: (hcal.inner_radius, hcal),
        Part.HCAL_ENDCAP: (hcal.endcap_z, hcal),
        Part.HCAL_RING: (ring_front, hcal),
    }
    parts = [fronts[p] for p in Part]
    first = np.array([front + active_depth(calorimeter) for front, calorimeter in parts])
    pitch = np.array([calorimeter.layer_pitch for _, calorimeter in parts])
    level = first[part] + layer * pitch[part]
    x, y, z = deposits["x"], deposits["y"], deposits["z"]
    in_barrel = np.isin(part, _BARREL)
    scale = np.where(in_barrel, level / np.hypot(x, y), 1.0)
    return x * scale, y * scale, np.where(in_barrel, z * scale, np.copysign(level, z))


def contributions_of(
    deposits: Array,
    origins: Array,
    detector: Detector,
    grid: CellGrid,
    config: Geant4Config,
) -> Contributions:
    """The contributions of the rows of DEPOSIT; their times are those of the first deposits.

    `origins` [particle] are the indices in the event of the generator particles from which the
    particles shot descend.
    """
    deposits = deposits[is_in_window(deposits, config)]
    if len(deposits) == 0:
        return NO_CONTRIBUTIONS
    cells = cell_keys(grid, *nested_box_positions(deposits, detector))
    energies = em_energies(deposits, detector)
    keys = contribution_key(cells, origins[deposits["particle"]].astype(np.int64))
    order = np.argsort(keys, kind="stable")
    order = order[cells[order] != NO_CELL]
    keys = keys[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    return Contributions(
        keys[starts],
        np.add.reduceat(energies[order], starts),
        np.minimum.reduceat(deposits["time"][order], starts),
    )


def smeared_times(
    contributions: Contributions, resolution: float, rng: np.random.Generator
) -> Array:
    """Times [ns] of contributions sorted by cell; all in a cell have the same error."""
    cells = cell_of(contributions.keys)
    first = np.r_[True, cells[1:] != cells[:-1]]
    error = resolution * rng.standard_normal(int(first.sum()))
    times: Array = contributions.times + error[np.cumsum(first) - 1]
    return times
