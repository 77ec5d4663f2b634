"""What every test gets: shapes checked at run time, repeatable draws, the reference data."""

import functools
import inspect
import os
from pathlib import Path
from typing import Any, Self

import beartype
import hypothesis
import jaxtyping
import numba
import pytest

ROOT = Path(__file__).resolve().parents[1]

os.environ.setdefault("MPLBACKEND", "Agg")  # no test opens a window

# No deadline: the first call of a kernel compiles it. Derandomised: a red test stays red.
hypothesis.settings.register_profile("partflow", deadline=None, derandomize=True)
hypothesis.settings.load_profile("partflow")


def _compile_the_plain_function(decorator):
    """A numba decorator that compiles partflow's own function, not the checker around it."""

    def plain(function):
        ours = getattr(function, "__module__", "").split(".")[0] == "partflow"
        return inspect.unwrap(function) if ours else function

    @functools.wraps(decorator)
    def decorate(*args, **options):
        if args and inspect.isfunction(args[0]):
            return decorator(plain(args[0]), *args[1:], **options)
        with_options = decorator(*args, **options)
        return lambda function: with_options(plain(function))

    return decorate


# The hook below puts a checker between `@njit` and the function, and numba cannot compile a
# checker. Annotations of kernels therefore stay unchecked; those of their callers are checked.
for _name in ("jit", "njit", "vectorize", "guvectorize"):
    setattr(numba, _name, _compile_the_plain_function(getattr(numba, _name)))


# An int may stand where a float is asked for, as for mypy.
_checked = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))


def check_annotations(function):
    """beartype, for which `Self` is anything: it is shown a method without the class around it."""
    if inspect.isfunction(function):
        hints = inspect.get_annotations(function)
        function.__annotations__ = {n: Any if hint is Self else hint for n, hint in hints.items()}
    return _checked(function)


# From here on every function and dataclass of partflow checks its annotations when called.
jaxtyping.install_import_hook("partflow", f"{__name__}.check_annotations")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the reference data, beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this checkout: the reference data is not here")
    return folder


@pytest.fixture(scope="session")
def toy_events():
    """`toy_events(num_tracks, num_clusters, seed=0)`: labelled events that a network can learn.

    Straight tracks that end on a cylinder, a cluster behind each as far as there are clusters,
    all others neutral: photons in the ECAL, hadrons 200 mm deeper, whose energy is measured 20 %
    low. `num_tracks` and `num_clusters` are given for each event.
    """
    return _toy_events


def _toy_events(num_tracks, num_clusters, seed=0):
    import numpy as np

    from partflow.core import records, schemas
    from partflow.core.detector import FACE_BARREL
    from partflow.core.features import build_elements

    rng = np.random.default_rng(seed)
    num_tracks, num_clusters = np.asarray(num_tracks), np.asarray(num_clusters)

    def drawn(count):
        pt, eta = np.exp(rng.uniform(0, 4, count)), rng.uniform(-0.9, 0.9, count)
        return pt, eta, rng.uniform(-np.pi, np.pi, count)

    def at_radius(radius, eta, phi):
        return radius * np.cos(phi), radius * np.sin(phi), radius * np.sinh(eta)

    def collection(schema, counts, columns):
        zeros = {name: np.zeros(int(np.sum(counts))) for name in schema.names}
        offsets = records.offsets_from_counts(counts)
        return records.Collection(schema, offsets, {**zeros, **columns})

    pt, eta, phi = drawn(num_tracks.sum())
    charge = rng.choice([-1, 1], len(pt))
    face = dict(zip(("face_x", "face_y", "face_z"), at_radius(1500.0, eta, phi), strict=True))
    unit = dict(
        zip(("face_dx", "face_dy", "face_dz"), at_radius(1 / np.cosh(eta), eta, phi), strict=True)
    )
    tracks = collection(
        schemas.TRACKS,
        num_tracks,
        {"charge": charge, "pt": pt, "phi": phi, "tan_lambda": np.sinh(eta), **face, **unit,
         "omega": charge * 1.2e-3 / pt, "radius_of_innermost_hit": np.full(len(pt), 31.0),
         "radius_of_outermost_hit": np.full(len(pt), 1486.0),
         "face_region": np.full(len(pt), FACE_BARREL)},
    )  # fmt: skip

    rank = np.arange(num_clusters.sum()) - np.repeat(
        records.offsets_from_counts(num_clusters)[:-1], num_clusters
    )
    is_charged = rank < np.repeat(num_tracks, num_clusters)
    track = (rank + np.repeat(tracks.offsets[:-1], num_clusters))[is_charged]
    cluster_pt, cluster_eta, cluster_phi = drawn(len(rank))
    cluster_pt[is_charged], cluster_eta[is_charged] = pt[track], eta[track]
    cluster_phi[is_charged] = phi[track]
    is_photon = ~is_charged & (rng.uniform(size=len(rank)) < 0.5)
    true_energy = cluster_pt * np.cosh(cluster_eta)
    energy = true_energy * np.where(is_photon, 1.0, 0.8)
    x, y, z = at_radius(np.where(is_photon, 1560.0, 1760.0), cluster_eta, cluster_phi)
    clusters = collection(
        schemas.CLUSTERS,
        num_clusters,
        {"x": x, "y": y, "z": z, "energy_em": energy, "phi": cluster_phi,
         "theta": 2 * np.arctan(np.exp(-cluster_eta)), "energy_hadronic": energy * 1.1,
         "energy_em_ecal": np.where(is_photon, energy, 0.3 * energy),
         "energy_em_hcal": np.where(is_photon, 0.0, 0.7 * energy),
         "ecal_depth_2": np.where(is_photon, energy, 0.3 * energy),
         "hcal_depth_1": np.where(is_photon, 0.0, 0.7 * energy),
         "ecal_hits_4": np.where(is_photon, energy, 0.3 * energy),
         "hcal_hits_3": np.where(is_photon, 0.0, 0.7 * energy),
         "width": np.full(len(x), 15.0), "length": np.where(is_photon, 20.0, 90.0),
         "num_hits": 1 + (5 * energy).astype(int),
         "sigma_x": np.full(len(x), 15.0), "sigma_y": np.full(len(x), 15.0)},
    )  # fmt: skip

    elements = build_elements(tracks, clusters)
    is_track, counts = elements.type == 1, elements.counts
    pdg_id = np.full(len(elements), 211)
    pdg_id[~is_track] = np.where(is_charged, 0, np.where(is_photon, 22, 130))
    target = {
        "pdg_id": pdg_id, "charge": np.where(is_track, 1, 0), "pt": elements.pt.astype(float),
        "eta": elements.eta, "sin_phi": elements.sin_phi, "cos_phi": elements.cos_phi,
        "energy": elements.energy.astype(float), "jet_index": np.full(len(elements), -1),
        "particle_index": np.full(len(elements), -1),
    }  # fmt: skip
    target["pt"][~is_track], target["energy"][~is_track] = cluster_pt, true_energy
    for name in ("charge", "pt", "eta", "sin_phi", "cos_phi", "energy"):
        target[name] = np.where(pdg_id == 0, 0, target[name])
    event = elements.event_index
    met = {
        "px": np.bincount(event, target["pt"] * target["cos_phi"], len(counts)),
        "py": np.bincount(event, target["pt"] * target["sin_phi"], len(counts)),
    }
    return records.Events(
        1000 * seed + np.arange(len(counts)),
        np.full(len(counts), "toy", dtype=object),
        {
            "elements": elements,
            "targets": collection(schemas.TARGETS, counts, target),
            "gen_met": collection(schemas.GEN_MET, np.ones(len(counts), int), met),
        },
    )
