"""Jets of this program's simulation and baseline beside another's, on the same generated events.

    python -m benchmarks.physics [--samples uds-91 ttbar ...] [--num-events 1000] [--seed N]
        [--other PATH]

The other program is a folder with `sim.py`, `reco.py`, `pf.py` and `W.npy` that offers
`pf.process(particles, simulation, weights, constants, rng)` and, of its result, `pf.pfos`,
`pf.calo` and `pf.perfect` as (event, px, py, pz, energy, ...). Both meet the same particles, and
one judge: the definitions of `partflow.evaluate` and `partflow.validate`. Intervals hold 95 %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from partflow import pipeline
from partflow.core.hadron_scale import HadronScale, load_hadron_scale
from partflow.core.known_detectors import CLIC
from partflow.core.particles import is_neutrino
from partflow.core.progress import progress
from partflow.core.records import Array, Collection, Events, offsets_from_counts
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.jets import JetSample, find_jets, jet_metrics, judge_jets
from partflow.evaluate.sample import join
from partflow.generate import GenerationConfig, generate
from partflow.simulate import SimulationConfig
from partflow.validate.measure import estimate
from partflow.validate.measure.collisions import EVALUATION, jet_table, summarise_collisions
from partflow.validate.measure.jets import ENERGY_SETS, MAX_COS_THETA
from partflow.validate.measure.rms90 import rms90_replicas
from partflow.validate.samples import COLLISIONS, DEFAULT_SEED
from partflow.validate.summaries import EventSample

BATCH = 100
Candidates = Mapping[str, tuple[Any, ...]]
"""(event, px, py, pz, energy, ...) of each set of the other program."""
OWN, OTHER = "partflow", "other"


@dataclass(frozen=True)
class Judged:
    """What one program made of some events."""

    num_events: int
    jets: Mapping[str, JetSample]
    """By candidate set."""
    totals: Mapping[str, Array]
    """Energy of all candidates, [event] (GeV)."""


def load_other(folder: Path, seed: int) -> Callable[[Events], Candidates]:
    """A function that gives the other program's candidates of generated events, by set."""
    sys.path.insert(0, str(folder))
    import pf
    import reco
    import sim

    weights = np.load(folder / "W.npy")
    simulation, rng = sim.Sim(), np.random.default_rng(seed)
    sim.seed(seed)

    def reconstruct(generated: Events) -> Candidates:
        particles = generated.particles.select(~is_neutrino(generated.particles.pdg_id))
        columns = {
            "pdg": particles.pdg_id, "px": particles.px, "py": particles.py, "pz": particles.pz,
            "e": particles.energy, "m": particles.mass,
            "vx": particles.vx, "vy": particles.vy, "vz": particles.vz,
            "ev": particles.event_index.astype(np.int32), "nev": len(generated),
        }  # fmt: skip
        done = pf.process(columns, simulation, weights, reco.RPA, rng)
        found = {"baseline": pf.pfos(done), "calorimeter": pf.calo(done)}
        return {**found, "perfect": pf.perfect(done, weights)}

    return reconstruct


def judge_own(generated: Events, scale: HadronScale) -> tuple[Judged, EventSample]:
    """Simulate and reconstruct with this program; also what its summary says of the events."""
    events = pipeline.simulate_events(generated, CLIC, SimulationConfig())
    tables = summarise_collisions(events, CLIC, scale)
    of_events = tables["events"]
    jets = {name: tables[jet_table(name)] for name in ENERGY_SETS}
    totals = {name: getattr(of_events, name) for name in ENERGY_SETS}
    return Judged(len(generated), jets, totals), of_events


def judge_other(generated: Events, candidates: Candidates) -> Judged:
    """Jets and energies of the other program's candidates."""
    gen_jets = generator_jets(generated.particles)
    jets, totals = {}, {}
    for name, (event, px, py, pz, energy, *_) in candidates.items():
        order = np.argsort(event, kind="stable")
        offsets = offsets_from_counts(np.bincount(event, minlength=len(generated)))
        momentum = (px[order], py[order], pz[order])
        found = find_jets(name, offsets, momentum, energy[order], EVALUATION)
        jets[name] = judge_jets(gen_jets, found, 0, EVALUATION.max_delta_r)
        totals[name] = np.bincount(event, energy, len(generated))
    return Judged(len(generated), jets, totals)


def generator_jets(particles: Collection) -> Collection:
    """Jets of all generator particles but neutrinos."""
    seen = particles.select(~is_neutrino(particles.pdg_id))
    momentum = (seen.px, seen.py, seen.pz)
    return find_jets("particles", seen.offsets, momentum, seen.energy, EVALUATION)


def joined(parts: Sequence[Judged]) -> Judged:
    """The events of several batches, one after the other."""
    first = offsets_from_counts(np.array([part.num_events for part in parts], dtype=np.int64))
    jets = {
        name: join(
            [
                replace(part.jets[name], event=part.jets[name].event + start)
                for part, start in zip(parts, first, strict=False)
            ]
        )
        for name in ENERGY_SETS
    }
    totals = {name: np.concatenate([part.totals[name] for part in parts]) for name in ENERGY_SETS}
    return Judged(int(first[-1]), jets, totals)


def run(
    name: str, num_events: int, seed: int, other: Callable[[Events], Candidates] | None
) -> tuple[dict[str, Judged], EventSample]:
    """What each program makes of one sample, and the events themselves."""
    process, energy = COLLISIONS[name]
    scale = load_hadron_scale(CLIC)
    parts: dict[str, list[Judged]] = {OWN: []} | ({OTHER: []} if other else {})
    of_events = []
    with progress(name, num_events) as advance:
        for generated in generate(GenerationConfig(process, num_events, seed, energy), BATCH):
            own, summary = judge_own(generated, scale)
            parts[OWN].append(own)
            of_events.append(summary)
            if other is not None:
                parts[OTHER].append(judge_other(generated, other(generated)))
            advance(len(generated))
    return {program: joined(batches) for program, batches in parts.items()}, join(of_events)


def report(name: str, programs: Mapping[str, Judged], events: EventSample) -> None:
    """Print the tables of one sample."""
    is_uds = COLLISIONS[name][0] == "uds"
    bootstrap = estimate.resampling(len(events.event))
    print(f"\n{name}: {len(events.event)} events")
    heading = f"{'':<12}{'':<10}{'matched':>8}{'median':>8}{'IQR/median':>26}"
    print(heading + (f"{'RMS90/mean90 [%]':>24}{'mean90':>8}" if is_uds else ""))
    for candidates in ENERGY_SETS:
        for program, found in programs.items():
            line = f"{candidates:<12}{program:<10}" + jet_words(found.jets[candidates], bootstrap)
            if is_uds:
                line += energy_words(found.totals[candidates], events, bootstrap)
            print(line)
    if OTHER in programs:
        for candidates in ENERGY_SETS:
            own, other = (programs[program].jets[candidates] for program in (OWN, OTHER))
            ratio = jet_metrics(own, other, bootstrap, EVALUATION)["relative_to_baseline"]
            low, high = ratio["iqr_over_median_ci"]
            words = f"{ratio['iqr_over_median']:.3f} ({low:.3f} - {high:.3f})"
            print(f"{candidates:<12}IQR/median, {OWN} / {OTHER}: {words}")
    for candidates in ENERGY_SETS:
        for program, found in programs.items():
            print(f"  {candidates:<12}{program:<10}{bin_words(found.jets[candidates], bootstrap)}")


def jet_words(jets: JetSample, bootstrap: Bootstrap) -> str:
    """Matched fraction, median, and IQR/median with its interval."""
    entry = jet_metrics(jets, None, bootstrap, EVALUATION)
    low, high = entry["iqr_over_median_ci"]
    interval = f"{entry['iqr_over_median']:.4f} ({low:.4f} - {high:.4f})"
    return f"{entry['matched_fraction']:>8.3f}{entry['median']:>8.4f}{interval:>26}"


def energy_words(total: Array, events: EventSample, bootstrap: Bootstrap) -> str:
    """RMS90/mean90 of one jet with its interval, and mean90, of the accepted events."""
    accepted = events.abs_cos_theta < MAX_COS_THETA
    of_accepted = Bootstrap(bootstrap.weights[:, accepted], estimate.CONFIDENCE)
    found = rms90_replicas(total[accepted] / events.gen_energy[accepted], of_accepted)
    percent = 100 * np.sqrt(2) * np.asarray(found.rms) / found.mean
    value, low, high = estimate.of_replicas(percent, of_accepted, int(accepted.sum()))
    return f"{f'{value:.2f} ({low:.2f} - {high:.2f})':>24}{float(np.asarray(found.mean)[0]):>8.4f}"


def bin_words(jets: JetSample, bootstrap: Bootstrap) -> str:
    """IQR/median in bins of the generator jet's pt."""
    return "  ".join(
        f"{b['low']:g}-{b['high']:g}: {b['iqr_over_median']:.3f}"
        for b in jet_metrics(jets, None, bootstrap, EVALUATION)["bins"]
        if b["iqr_over_median"] is not None
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", nargs="+", default=list(COLLISIONS), choices=COLLISIONS)
    parser.add_argument("--num-events", type=int, default=300)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED + 1000)
    parser.add_argument("--other", type=Path, default=Path("../shared/prototype"))
    options = parser.parse_args()
    other = load_other(options.other, options.seed) if options.other.is_dir() else None
    for name in options.samples:
        report(name, *run(name, options.num_events, options.seed, other))


if __name__ == "__main__":
    main()
