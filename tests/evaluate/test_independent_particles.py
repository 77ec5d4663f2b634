"""Responses of particles, boson masses and the energy flow equal those of plain loops."""

import itertools
import math

import fastjet
import numpy as np
import pytest

from partflow.core.deposits import resolve_deposits
from partflow.core.records import offsets_from_counts
from partflow.core.schemas import (
    CANDIDATES,
    CLUSTERS,
    CONTRIBUTIONS,
    HIT_CLUSTERS,
    PARTICLES,
    TARGETS,
    TRACK_PARTICLES,
    TRACKS,
)
from partflow.evaluate import EvaluationConfig, Evaluator
from partflow.evaluate.energy_flow import cluster_truth

NUM_EVENTS = 50
QUICK = EvaluationConfig(num_replicas=20)
KINDS = {"charged_hadron": 211, "neutral_hadron": 130, "photon": 22, "electron": 11, "muon": 13}


# --- responses of particles ----------------------------------------------------------------


@pytest.fixture(scope="module")
def toy(toy_events):
    toy = toy_events(NUM_EVENTS, 51)
    rng = np.random.default_rng(1)
    for candidates in toy.candidates.values():  # toys have the targets' directions
        candidates.columns["eta"] += rng.normal(0, 0.01, len(candidates))
        candidates.columns["phi"] += rng.normal(0, 0.02, len(candidates))
        candidates.columns["energy"] *= rng.uniform(0.9, 1.1, len(candidates))
    return toy


@pytest.fixture(scope="module")
def particles(toy):
    evaluator = Evaluator(QUICK)
    toy.add_to(evaluator)
    return evaluator.metrics()["particles"]


def reconstructed_targets(toy, name):
    """Of reconstructed targets: class, pt, eta, pt and energy response, eta and phi residual."""
    for i in range(NUM_EVENTS):
        targets, reco = toy.targets[i : i + 1], toy.candidates[name][i : i + 1]
        for k in range(len(targets)):
            right = [
                j for j in range(len(reco))
                if (reco.track_index[j] if reco.track_index[j] >= 0
                    else toy.tracks.counts[i] + reco.cluster_index[j]) == k
                and reco.pdg_id[j] == targets.pdg_id[k]
            ]  # fmt: skip
            if right:
                best = max(right, key=lambda j: reco.energy[j])
                turn = reco.phi[best] - math.atan2(targets.sin_phi[k], targets.cos_phi[k])
                yield (
                    targets.pdg_id[k], targets.pt[k], targets.eta[k],
                    reco.pt[best] / targets.pt[k], reco.energy[best] / targets.energy[k],
                    reco.eta[best] - targets.eta[k],
                    math.atan2(math.sin(turn), math.cos(turn)),
                )  # fmt: skip


def check_spread(entry, values):
    if not values:
        assert entry["median"] is None
        assert entry["iqr"] is None
        return
    low, median, high = np.percentile(values, [25, 50, 75])
    assert entry["median"] == pytest.approx(median, abs=1e-6)
    assert entry["iqr"] == pytest.approx(high - low, abs=1e-6)
    if "iqr_over_median" in entry:
        assert entry["iqr_over_median"] == pytest.approx((high - low) / median, abs=1e-6)


@pytest.mark.parametrize("name", ["mlpf", "baseline", "perfect", "target"])
@pytest.mark.parametrize("kind", KINDS)
def test_responses_of_particles(toy, particles, name, kind):
    rows = [row for row in reconstructed_targets(toy, name) if row[0] == KINDS[kind]]
    assert rows
    entry = particles[name][kind]
    quantities = ("pt_response", "energy_response", "eta_residual", "phi_residual")
    for column, quantity in enumerate(quantities, start=3):
        check_spread(entry[quantity], [row[column] for row in rows])
        for bins, at in (("bins", 1), ("eta_bins", 2)):
            for b in entry[bins]:
                inside = [r[column] for r in rows if b["low"] <= abs(r[at]) < b["high"]]
                check_spread(b[quantity], inside)


# --- masses of bosons -----------------------------------------------------------------------

MASSES = {"ww": {"W": (80.369, 80.369)}, "zh": {"Z": (91.188,), "H": (125.20,)}}


def jet_of(momentum, rng):
    """Some massless particles around a quark of this momentum, [particle, 3]."""
    share = rng.dirichlet(np.ones(6))[:, None]
    return share * momentum + rng.normal(0, 0.3, (6, 3))


def boson(mass, direction, rng):
    """Particles of a boson that moves with 120 GeV and goes to two quarks, [particle, 3]."""
    momentum = 120.0 * direction
    energy = math.hypot(120.0, mass)
    axis = rng.normal(0, 1, 3)
    axis /= np.linalg.norm(axis)
    quarks = []
    for sign in (1, -1):  # boosted from the rest frame
        p, e = sign * axis * mass / 2, mass / 2
        along = p @ momentum
        quarks.append(p + momentum * (along / (energy + mass) + e) / mass)
    return np.concatenate([jet_of(quark, rng) for quark in quarks])


def diboson_events(process, rng):
    first, second = (80.0, 80.7) if process == "ww" else (91.5, 124.8)
    events = []
    for _ in range(NUM_EVENTS // 2):
        direction = rng.normal(0, 1, 3)
        direction /= np.linalg.norm(direction)
        events.append(
            np.concatenate([boson(first, direction, rng), boson(second, -direction, rng)])
        )
    return events


@pytest.fixture(scope="module")
def diboson(fill):
    """Momenta and process of each event, smeared momenta, and the metrics of those."""
    rng = np.random.default_rng(7)
    gen = diboson_events("ww", rng) + diboson_events("zh", rng)
    reco = [event * rng.normal(1, 0.1, (len(event), 1)) for event in gen]
    reco[3] = reco[3][:3]  # too few for four jets
    process = np.array(["ww"] * (NUM_EVENTS // 2) + ["zh"] * (NUM_EVENTS // 2), dtype=object)
    offsets = [offsets_from_counts(np.array([len(e) for e in side])) for side in (gen, reco)]
    p, q = np.concatenate(gen), np.concatenate(reco)
    particles = fill(
        PARTICLES, offsets[0], pdg_id=np.full(len(p), 22), px=p[:, 0], py=p[:, 1], pz=p[:, 2],
        energy=np.linalg.norm(p, axis=1),
    )  # fmt: skip
    pt = np.hypot(q[:, 0], q[:, 1])
    candidates = fill(
        CANDIDATES, offsets[1], pdg_id=np.full(len(q), 22), pt=pt, eta=np.arcsinh(q[:, 2] / pt),
        phi=np.arctan2(q[:, 1], q[:, 0]), energy=np.linalg.norm(q, axis=1),
        track_index=np.full(len(q), -1), cluster_index=np.full(len(q), -1),
    )  # fmt: skip
    nothing = np.zeros(NUM_EVENTS + 1, dtype=np.int64)
    evaluator = Evaluator(QUICK)
    evaluator.add(
        particles, fill(TARGETS, nothing), fill(TRACKS, nothing), fill(CLUSTERS, nothing),
        {"mlpf": candidates}, process,
    )  # fmt: skip
    return gen, reco, process, evaluator.metrics()


def slow_jets(event):
    if len(event) < 4:
        return None
    inputs = [fastjet.PseudoJet(*map(float, p), float(np.linalg.norm(p))) for p in event]
    durham = fastjet.JetDefinition0Param(fastjet.ee_kt_algorithm)
    sequence = fastjet._swig.ClusterSequence(inputs, durham)
    return [(j.px(), j.py(), j.pz(), j.e()) for j in sequence.exclusive_jets(4)]


def slow_mass(one, other):
    px, py, pz, energy = (a + b for a, b in zip(one, other, strict=True))
    return math.sqrt(max(energy**2 - px**2 - py**2 - pz**2, 0.0))


def slow_angle(one, other):
    dot = sum(a * b for a, b in zip(one[:3], other[:3], strict=True))
    return math.acos(min(1.0, dot / (math.hypot(*one[:3]) * math.hypot(*other[:3]))))


def slow_bosons(gen, reco, process):
    """(boson, generated mass, reconstructed mass or None) of both bosons of an event."""
    bosons = {"ww": (("W", 80.369), ("W", 80.369)), "zh": (("Z", 91.188), ("H", 125.20))}[process]
    jets, reco_jets = slow_jets(gen), slow_jets(reco)
    best = None
    for a, b, c, d in itertools.permutations(range(4)):
        masses = slow_mass(jets[a], jets[b]), slow_mass(jets[c], jets[d])
        difference = [abs(m - mass) for m, (_, mass) in zip(masses, bosons, strict=True)]
        sum_of_squares = sum(x**2 for x in difference)
        if best is None or sum_of_squares < best[0] - 1e-9:
            best = sum_of_squares, (a, b, c, d), masses, max(difference)
    if best[3] >= 10:
        return []
    reco_masses = (None, None)
    if reco_jets is not None:
        order = min(
            itertools.permutations(range(4)),
            key=lambda o: sum(slow_angle(jets[k], reco_jets[o[k]]) for k in range(4)),
        )
        a, b, c, d = (reco_jets[order[k]] for k in best[1])
        reco_masses = slow_mass(a, b), slow_mass(c, d)
    return [(bosons[k][0], best[2][k], reco_masses[k]) for k in (0, 1)]


@pytest.mark.parametrize("name", ["W", "Z", "H"])
def test_masses_of_bosons(diboson, name):
    gen, reco, process, metrics = diboson
    rows = [
        row for events in zip(gen, reco, process, strict=True) for row in slow_bosons(*events)
        if row[0] == name
    ]  # fmt: skip
    assert len(rows) > 15
    entry = metrics["dijets"]["mlpf"][name]
    reconstructed = [(m, r) for _, m, r in rows if r is not None]
    assert len(reconstructed) == len(rows) - (2 if name == "W" else 0)
    assert entry["num_gen"] == len(rows)
    assert entry["reconstructed_fraction"] == pytest.approx(
        len(reconstructed) / len(rows), abs=1e-6
    )
    check_spread(entry, [r / m for m, r in reconstructed])
    masses = {"mass": [r for _, r in reconstructed], "gen_mass": [m for _, m, _ in rows]}
    for prefix, values in masses.items():
        low, median, high = np.percentile(values, [25, 50, 75])
        assert entry[f"{prefix}_median"] == pytest.approx(median, rel=1e-6)
        assert entry[f"{prefix}_iqr"] == pytest.approx(high - low, rel=1e-6)


def test_processes_without_a_pair_of_bosons_have_no_mass(toy_events):
    toy = toy_events(20, 52)
    toy.process[:] = "ttbar"
    evaluator = Evaluator(QUICK)
    toy.add_to(evaluator)
    assert set(map(str, evaluator.metrics()["dijets"].values())) == {"{}"}


# --- energy flow ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flow(fill):
    """Random clusters, the particles in them, candidates at some, and the metrics."""
    rng = np.random.default_rng(9)

    def counted(low, high):
        return offsets_from_counts(rng.integers(low, high, NUM_EVENTS))

    def indices(of, limit):  # into the `limit` objects of the same event; -1 is none
        counts = np.diff(limit)[np.repeat(np.arange(NUM_EVENTS), np.diff(of))]
        return rng.integers(-1, counts)

    particle, cluster, hit = counted(1, 9), counted(1, 7), counted(5, 30)
    track, contribution, candidate = counted(0, 5), counted(10, 60), counted(0, 8)
    kind = rng.choice([211, 130, 22], particle[-1])
    particles = fill(
        PARTICLES, particle, pdg_id=kind, charge=(kind == 211).astype(int),
        px=rng.normal(size=particle[-1]), energy=np.full(particle[-1], 5.0),
    )  # fmt: skip
    tracks = fill(TRACKS, track)
    links = fill(
        TRACK_PARTICLES, track, particle_index=indices(track, particle),
        is_primary=rng.integers(0, 2, track[-1]),
    )  # fmt: skip
    clusters = fill(
        CLUSTERS, cluster, energy_em=rng.uniform(1, 5, cluster[-1]),
        energy_hadronic=rng.choice([0.0, 1.0, 4.0], cluster[-1]),
    )  # fmt: skip
    hit_clusters = fill(HIT_CLUSTERS, hit, cluster_index=indices(hit, cluster))
    contributions = fill(
        CONTRIBUTIONS, contribution, hit_index=np.maximum(indices(contribution, hit), 0),
        particle_index=np.maximum(indices(contribution, particle), 0),
        energy_em=rng.random(contribution[-1]),
    )  # fmt: skip
    candidates = fill(
        CANDIDATES, candidate, pdg_id=rng.choice([211, 130, 22], candidate[-1]),
        energy=rng.uniform(0, 4, candidate[-1]), pt=np.ones(candidate[-1]),
        track_index=np.where(rng.random(candidate[-1]) < 0.3, indices(candidate, track), -1),
        cluster_index=indices(candidate, cluster),
    )  # fmt: skip
    evaluator = Evaluator(QUICK)
    deposits = resolve_deposits(particles, clusters, hit_clusters, contributions)
    truth = cluster_truth(particles, links, clusters, deposits)
    evaluator.add(
        particles, fill(TARGETS, track + cluster), tracks, clusters, {"mlpf": candidates},
        np.full(NUM_EVENTS, "qq", dtype=object), cluster_truth_of={"mlpf": truth},
    )  # fmt: skip
    return (
        particles, links, clusters, hit_clusters, contributions, candidates, evaluator.metrics()
    )  # fmt: skip


def slow_fractions(clusters, candidates, number):
    """Fractions of a cluster that are (left to tracks, taken by photons, by neutral hadrons)."""
    cluster_energy = clusters.energy_em[number]
    if clusters.energy_hadronic[number] > 0:
        cluster_energy = min(cluster_energy, clusters.energy_hadronic[number])
    taken = {22: 0.0, 130: 0.0}
    for j in range(len(candidates)):
        is_here = candidates.cluster_index[j] == number and candidates.track_index[j] < 0
        if is_here and candidates.pdg_id[j] in taken:
            taken[candidates.pdg_id[j]] += min(1.0, candidates.energy[j] / cluster_energy)
    total = max(1.0, sum(taken.values()))
    photon, hadron = taken[22] / total, taken[130] / total
    return 1.0 - photon - hadron, photon, hadron


def slow_flow(true_energy, taken):
    """Energies of one cluster by true particle (row) and by what they were taken for (column).

    `true_energy` {row: GeV} is in the cluster, of which `taken` {column: GeV} were taken; the
    result is {(row, column): GeV}.
    """
    right = {
        "photon": "as_photon",
        "neutral_hadron": "as_neutral_hadron",
        "charged_with_track": "left_to_tracks",
    }
    flow = {(row, right[row]): min(true_energy[row], taken[right[row]]) for row in right}
    true_energy, taken = dict(true_energy), dict(taken)
    for (row, column), energy in flow.items():
        true_energy[row] -= energy
        taken[column] -= energy
    rest = sum(true_energy.values())
    if rest > 0:
        for row in true_energy:
            for column in taken:
                more = true_energy[row] * taken[column] / rest
                flow[row, column] = flow.get((row, column), 0.0) + more
    return flow


def test_energy_flow(flow):
    particles, links, clusters, hit_clusters, contributions, candidates, metrics = flow
    rows = ["photon", "neutral_hadron", "charged_with_track", "charged_without_track"]
    columns = ["left_to_tracks", "as_photon", "as_neutral_hadron"]
    sums = {row: dict.fromkeys(columns, 0.0) for row in rows}
    for i in range(NUM_EVENTS):
        event, track = particles[i : i + 1], links[i : i + 1]
        parts, cluster_of_hit = contributions[i : i + 1], hit_clusters[i : i + 1].cluster_index
        with_track = {
            track.particle_index[k] for k in range(len(track)) if track.is_primary[k] == 1
        }
        in_cluster = [dict.fromkeys(rows, 0.0) for _ in range(clusters.counts[i])]
        for k in range(len(parts)):
            number, particle = cluster_of_hit[parts.hit_index[k]], parts.particle_index[k]
            if number < 0:
                continue
            if event.charge[particle]:
                row = "charged_with_track" if particle in with_track else "charged_without_track"
            else:
                row = "photon" if event.pdg_id[particle] == 22 else "neutral_hadron"
            in_cluster[number][row] += parts.energy_em[k]
        for number, energies in enumerate(in_cluster):
            fractions = slow_fractions(clusters[i : i + 1], candidates[i : i + 1], number)
            total = sum(energies.values())
            taken = {c: fraction * total for c, fraction in zip(columns, fractions, strict=True)}
            for (row, column), energy in slow_flow(energies, taken).items():
                sums[row][column] += energy / NUM_EVENTS
    entry = metrics["energy_flow"]["mlpf"]
    assert list(entry) == rows
    for row in rows:
        for column in columns:
            assert sums[row][column] > 0
            assert entry[row][column] == pytest.approx(sums[row][column], abs=1e-6)
            low, high = entry[row][f"{column}_ci"]
            assert low < high


def test_without_the_true_particles_in_clusters_there_is_no_energy_flow(particles, toy):
    evaluator = Evaluator(QUICK)
    toy.add_to(evaluator)
    assert evaluator.metrics()["energy_flow"]["mlpf"] == {}
