"""Jet resolution of the baseline, and the best that each kind of element allows.

    python -m benchmarks.ceilings [--processes ttbar qq ww] [--num-events 1000] [--seed 91]
        [--secondary-tracks each none leading] [--cone-scale 0.65]

Each row is the jet response IQR/median of one candidate set of the same events:

    baseline            the rule-based particle flow
    whole, final        each final cluster belongs as a whole to its main owner
    whole, fine         the same with the fine clusters
    perfect sharing     each cluster is divided by its true energy shares
    perfect             each particle as this detector measures it alone

All but the first are made from the truth, with the true particle of each track. A network that
assigns each cluster as a whole cannot be better than `whole`, one that divides clusters cannot be
better than `perfect sharing`, unless it measures energies better than software compensation. With
several `--secondary-tracks` the rows from the truth are repeated for each definition of the
targets. Intervals are 68 % of a bootstrap over events; ratios are paired. The definitions are those
of `partflow evaluate`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping

import numpy as np

from partflow.core.deposits import resolve_deposits
from partflow.core.hadron_scale import HadronScale, load_hadron_scale
from partflow.core.kinematics import momentum_from_pt_eta_phi
from partflow.core.known_detectors import CLIC
from partflow.core.particles import is_neutrino
from partflow.core.records import Array, Collection, Events
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.jets import JetSample, find_jets, jet_metrics, judge_jets
from partflow.evaluate.sample import join
from partflow.generate import GenerationConfig, generate
from partflow.label import LabelConfig, label, perfect_candidates, sharing_candidates
from partflow.label.config import SECONDARY_TRACKS
from partflow.reconstruct import BaselineConfig, reconstruct
from partflow.reconstruct.fine import CONE_SCALE, fine_config
from partflow.simulate import simulate

CHUNK_SIZE = 100
"""Events in memory at a time."""
EVALUATION = EvaluationConfig(num_replicas=300)
BASELINE = "baseline"
ENERGY = "GeV without neutrinos"
SECONDARIES, SECONDARIES_ENERGY = "targets on tracks of secondaries", "GeV in them"
FORMAT = "{:<32}{:>10} {:<8}{:>8}{:>24}{:>9}"


def undivided(shares: Collection) -> Collection:
    """Shares in which each cluster belongs as a whole to the owner of most of its energy."""
    cluster = shares.event_index * (int(shares.cluster_element.max(initial=0)) + 1)
    cluster = cluster + shares.cluster_element
    order = np.lexsort((-shares.energy_em, cluster))
    first = order[np.unique(cluster[order], return_index=True)[1]]
    is_largest = np.zeros(len(shares), dtype=bool)
    is_largest[first] = True
    _, cluster_row = np.unique(cluster, return_inverse=True)
    energy = np.bincount(cluster_row, shares.energy_em, len(first))[cluster_row]
    undivided_shares = Collection(
        shares.schema, shares.offsets, {**shares.columns, "energy_em": energy}
    )
    return undivided_shares.select(is_largest)


def candidate_sets(
    generated: Events, definitions: list[str], cone_scale: float, scale: HadronScale
) -> tuple[dict[str, Collection], dict[str, float]]:
    """Candidate sets of generated events by name, and numbers and energies of their objects."""
    particles = generated.particles
    simulated = simulate(particles, generated.event_id, CLIC)
    hits, tracks = simulated.hits, simulated.tracks
    final = reconstruct(hits, tracks, CLIC)
    no_tracks = Collection.empty(tracks.schema, tracks.num_events)
    fine = reconstruct(hits, no_tracks, CLIC, fine_config(BaselineConfig(), cone_scale))
    sets = {BASELINE: final.candidates}
    truth = (particles, tracks, simulated.track_particles)
    deposits = {
        name: resolve_deposits(
            particles, reconstructed.clusters, reconstructed.hit_clusters, simulated.contributions
        )
        for name, reconstructed in (("final", final), ("fine", fine))
    }
    visible = particles.energy[~is_neutrino(particles.pdg_id)].sum()
    amounts = {"tracks": len(tracks), "final clusters": len(final.clusters)}
    amounts |= {"fine clusters": len(fine.clusters), ENERGY: visible}
    for definition in definitions:
        config = LabelConfig(secondary_tracks=definition)
        mark = f" [{definition}]" if len(definitions) > 1 else ""
        labels = {
            name: label(*truth, reconstructed.clusters, deposits[name], hits=hits, config=config)
            for name, reconstructed in (("final", final), ("fine", fine))
        }
        secondaries = labels["final"].report.on_tracks_of_secondaries
        amounts |= {
            f"{SECONDARIES}{mark}": secondaries.number,
            f"{SECONDARIES_ENERGY}{mark}": secondaries.energy,
        }
        for kind, share in (("whole", undivided), ("perfect sharing", lambda shares: shares)):
            for name, reconstructed in (("final", final), ("fine", fine)):
                sets[f"{kind}, {name}{mark}"] = sharing_candidates(
                    labels[name].targets,
                    share(labels[name].shares),
                    tracks,
                    reconstructed.clusters,
                    scale,
                )
        sets[f"perfect{mark}"] = perfect_candidates(*truth, hits, deposits["final"], scale, config)
    return sets, amounts


def jets_of(name: str, candidates: Collection) -> Collection:
    """Jets of the candidate set `name`."""
    momentum = momentum_from_pt_eta_phi(candidates.pt, candidates.eta, candidates.phi)
    return find_jets(name, candidates.offsets, momentum, candidates.energy, EVALUATION)


def measure(
    process: str, num_events: int, seed: int, definitions: list[str], cone_scale: float
) -> tuple[dict[str, JetSample], Array, dict[str, float]]:
    """Jets of each candidate set, event ids, and the mean amounts of `candidate_sets` per event."""
    scale = load_hadron_scale(CLIC)
    parts: dict[str, list[JetSample]] = {}
    event_ids, totals = [], {}
    for generated in generate(GenerationConfig(process, num_events, seed), CHUNK_SIZE):
        first = sum(len(ids) for ids in event_ids)
        sets, amounts = candidate_sets(generated, definitions, cone_scale, scale)
        p = generated.particles.select(~is_neutrino(generated.particles.pdg_id))
        gen_jets = find_jets("particles", p.offsets, (p.px, p.py, p.pz), p.energy, EVALUATION)
        for name, candidates in sets.items():
            jets = judge_jets(gen_jets, jets_of(name, candidates), first, EVALUATION.max_delta_r)
            parts.setdefault(name, []).append(jets)
        event_ids.append(generated.event_id)
        totals = {name: totals.get(name, 0) + number for name, number in amounts.items()}
    mean = {name: number / num_events for name, number in totals.items()}
    return {name: join(samples) for name, samples in parts.items()}, np.concatenate(event_ids), mean


def print_table(samples: Mapping[str, JetSample], event_id: Array) -> None:
    """Print one line for each candidate set."""
    bootstrap = Bootstrap.of_events(
        event_id, EVALUATION.num_replicas, EVALUATION.confidence, EVALUATION.seed
    )
    print(FORMAT.format("", "IQR/median", "", "median", "ratio to baseline", "matched"))
    for name, sample in samples.items():
        other = None if name == BASELINE else samples[BASELINE]
        entry = jet_metrics(sample, other, bootstrap, EVALUATION)
        low, high = entry["iqr_over_median_ci"]
        ratio = ""
        if other is not None:
            relative = entry["relative_to_baseline"]
            ratio = "{:.3f} [{:.3f}, {:.3f}]".format(
                relative["iqr_over_median"], *relative["iqr_over_median_ci"]
            )
        print(
            FORMAT.format(
                name,
                f"{entry['iqr_over_median']:.4f}",
                f"+-{(high - low) / 2:.4f}",
                f"{entry['median']:.4f}",
                ratio,
                f"{entry['matched_fraction']:.3f}",
            )
        )


def main() -> None:
    """Measure the processes of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", nargs="+", default=["ttbar", "qq", "ww"])
    parser.add_argument("--num-events", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=91)
    parser.add_argument("--secondary-tracks", nargs="+", default=["each"], choices=SECONDARY_TRACKS)
    parser.add_argument("--cone-scale", type=float, default=CONE_SCALE)
    options = parser.parse_args()
    for process in options.processes:
        start = time.perf_counter()
        samples, event_id, amounts = measure(
            process, options.num_events, options.seed, options.secondary_tracks, options.cone_scale
        )
        num_jets = len(samples[BASELINE].event)
        print(f"\n{process}: {options.num_events} events, {num_jets} jets; an event has")
        print(", ".join(f"{number:.3g} {name}" for name, number in amounts.items()))
        print_table(samples, event_id)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
