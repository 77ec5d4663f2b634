"""Monte Carlo particles: the stable ones as records, and whom every other one descends from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array, Collection
from partflow.core.schemas import PARTICLE_DAUGHTERS, PARTICLE_SOURCES, PARTICLES
from partflow.ingest.edm4hep.columns import Columns, EntryRange, read_members, read_relation
from partflow.ingest.edm4hep.faults import Faults
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.relations import Targets, follow, resolve

MC_COLLECTION, MC_ALIAS = "MCParticles", "MCParticle"
"""The alias is the name in LCIO, under which links of converted files may point to it."""
STABLE = 1
"""HepMC generator status of a particle that the generator leaves undecayed."""
MAX_CHARGE = np.iinfo(np.int8).max
MOMENTUM = ("momentum.x", "momentum.y", "momentum.z")
VERTEX = ("vertex.x", "vertex.y", "vertex.z")
STATUS = ("generatorStatus", "simulatorStatus")
RELATIVES = ("parents_begin", "parents_end", "daughters_begin", "daughters_end")


class FileParticles(NamedTuple):
    """The generator particles of a range of events, and the way to them."""

    particles: Collection
    """PARTICLES: the stable ones, in the file's order."""
    sources: Collection
    """PARTICLE_SOURCES, parallel to `particles`."""
    daughters: Collection
    """PARTICLE_DAUGHTERS of the stable ones."""
    stable_index: Array
    """Index in its event of the stable particle that each Monte Carlo particle is or descends
    from, or -1, [mc particle]."""
    is_stable: Array
    """[mc particle]"""
    targets: Targets
    """For object ids that point to Monte Carlo particles."""


def read_particles(file: PodioFile, entries: EntryRange, faults: Faults) -> FileParticles:
    """The stable particles and the descent of the others.

    A stable particle whose momentum, mass, vertex or charge is no number, and a relation that
    points to nothing, fault their event.
    """
    members = ("PDG", *STATUS, "charge", "mass", *MOMENTUM, *VERTEX, *RELATIVES)
    mc = read_members(file, MC_COLLECTION, members, entries)
    ids = file.ids_of(MC_COLLECTION) + ([] if file.has(MC_ALIAS) else file.ids_of(MC_ALIAS))
    targets = Targets([MC_COLLECTION], mc.counts[None, :], [ids])
    is_stable = np.equal(mc["generatorStatus"], STABLE)
    _fault_numbers(mc, is_stable, faults)
    parent_of, parent = _relatives(file, entries, mc, "parents", targets, faults)
    daughter_of, daughter = _relatives(file, entries, mc, "daughters", targets, faults)

    num_stable = np.concatenate([[0], np.cumsum(is_stable)])
    offsets = num_stable[mc.offsets]
    own_index = num_stable[:-1] - offsets[:-1][mc.event_index]
    stable_row = np.where(is_stable, np.arange(mc.num_rows), -1)
    _descend(stable_row, parent_of, parent, daughter_of, daughter)
    stable_index = np.where(stable_row >= 0, own_index[stable_row], -1)

    index_in_event = np.arange(mc.num_rows) - mc.offsets[:-1][mc.event_index]
    sources = Collection(
        PARTICLE_SOURCES,
        offsets,
        {
            "mc_index": index_in_event[is_stable],
            "simulator_status": mc["simulatorStatus"][is_stable],
        },
    )
    of_stable = is_stable[daughter_of]
    event = mc.event_index[daughter_of[of_stable]]
    daughters = Collection(
        PARTICLE_DAUGHTERS,
        np.searchsorted(event, np.arange(entries.num_events + 1)),
        {
            "particle_index": own_index[daughter_of[of_stable]],
            "mc_index": index_in_event[daughter[of_stable]],
        },
    )
    particles = _records(mc, is_stable, offsets)
    return FileParticles(particles, sources, daughters, stable_index, is_stable, targets)


def _fault_numbers(mc: Columns, is_stable: Array, faults: Faults) -> None:
    for name in ("mass", *MOMENTUM, *VERTEX):
        is_bad = is_stable & ~np.isfinite(mc[name])
        faults.add(mc.event_index, is_bad, f"a stable particle whose {name} is no number")
    is_bad = is_stable & ~(np.abs(mc["charge"]) <= MAX_CHARGE)
    faults.add(mc.event_index, is_bad, "a stable particle whose charge is no number")


def _relatives(
    file: PodioFile,
    entries: EntryRange,
    mc: Columns,
    kind: str,
    targets: Targets,
    faults: Faults,
) -> tuple[Array, Array]:
    """Pairs of rows (particle, its parent or daughter)."""
    ids = read_relation(file, MC_COLLECTION, kind, entries)
    listed = follow(mc, kind, ids.counts, faults, f"the {kind} of {MC_COLLECTION}")
    where = f"a relation to {kind} in {MC_COLLECTION}"
    rows = resolve(file, ids, ids.event_index, targets, faults, where)[listed.entry]
    return listed.owner[rows >= 0], rows[rows >= 0]


def _records(mc: Columns, is_stable: Array, offsets: Array) -> Collection:
    p = {name: mc[name][is_stable].astype(np.float64) for name in ("mass", *MOMENTUM, *VERTEX)}
    px, py, pz = (p[name] for name in MOMENTUM)
    with np.errstate(invalid="ignore", over="ignore"):  # faulted events are dropped later
        energy = np.sqrt(px**2 + py**2 + pz**2 + p["mass"] ** 2)
    charge = np.nan_to_num(mc["charge"][is_stable], nan=0.0, posinf=0.0, neginf=0.0)
    columns = {
        "pdg_id": mc["PDG"][is_stable],
        "charge": np.rint(np.clip(charge, -MAX_CHARGE, MAX_CHARGE)),
        "px": px,
        "py": py,
        "pz": pz,
        "energy": energy,
        "mass": p["mass"],
        **{f"v{axis}": p[f"vertex.{axis}"] for axis in ("x", "y", "z")},
    }
    return Collection(PARTICLES, offsets, columns)


@njit(cache=True)
def _descend(stable_row, parent_of, parent, daughter_of, daughter):
    """Fill in whom each particle descends from: the nearest stable one along the first parent
    that leads to one; for those without such a parent, the first stable one that lists them.

    `parent_of` and `daughter_of` never decrease. A circle of parents ends like an orphan.
    """
    _inherit(stable_row, parent_of, parent)
    adopted = False
    for k in range(len(daughter)):
        mother, child = daughter_of[k], daughter[k]
        if stable_row[child] < 0 and stable_row[mother] == mother:
            stable_row[child] = mother
            adopted = True
    if adopted:
        _inherit(stable_row, parent_of, parent)


@njit(cache=True)
def _inherit(stable_row, parent_of, parent):
    """Pass ancestors down; parents mostly stand before their children, so few rounds do."""
    changed = True
    while changed:
        changed = False
        for k in range(len(parent)):
            child, source = parent_of[k], stable_row[parent[k]]
            if stable_row[child] < 0 and source >= 0:
                stable_row[child] = source
                changed = True
