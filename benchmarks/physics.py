"""Jets of this simulation and baseline and of another program, from the same generated events.

    python -m benchmarks.physics [--samples uds-91 ttbar ...] [--num-events 1000] [--seed N]
        [--other PATH]

The other program is a folder with `sim.py`, `reco.py`, `pf.py` and `W.npy` that offers
`pf.process(particles, simulation, weights, constants, rng)` and, of its result, `pf.pfos`,
`pf.calo` and `pf.perfect` as (event, px, py, pz, energy, ...). Both simulate the same generator
particles, and the metrics of both are those of `partflow.evaluate` and `partflow.validate`.
Intervals have 95 % confidence.
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

CHUNK_SIZE = 100
"""Events in memory at a time."""
Candidates = Mapping[str, tuple[Any, ...]]
"""(event, px, py, pz, energy, ...) of each candidate set of the other program."""
PARTFLOW, OTHER = "partflow", "other"


@dataclass(frozen=True)
class Reconstructed:
    """Some events as one program reconstructs them."""

    num_events: int
    jets: Mapping[str, JetSample]
    """By candidate set."""
    totals: Mapping[str, Array]
    """Energy of all candidates, [event] (GeV)."""


def load_other(folder: Path, seed: int) -> Callable[[Events], Candidates]:
    """A function that returns the other program's candidate sets for generated events."""
    sys.path.insert(0, str(folder))
    import pf
    import reco
    import sim

    weights = np.load(folder / "W.npy")
    simulation, rng = sim.Sim(), np.random.default_rng(seed)
    sim.seed(seed)

    def reconstruct(generated: Events) -> Candidates:
        """Simulate and reconstruct with the other program."""
        particles = generated.particles.select(~is_neutrino(generated.particles.pdg_id))
        columns = {
            "pdg": particles.pdg_id, "px": particles.px, "py": particles.py, "pz": particles.pz,
            "e": particles.energy, "m": particles.mass,
            "vx": particles.vx, "vy": particles.vy, "vz": particles.vz,
            "ev": particles.event_index.astype(np.int32), "nev": len(generated),
        }  # fmt: skip
        processed = pf.process(columns, simulation, weights, reco.RPA, rng)
        return {
            "baseline": pf.pfos(processed),
            "calorimeter": pf.calo(processed),
            "perfect": pf.perfect(processed, weights),
        }

    return reconstruct


def reconstruct_with_partflow(
    generated: Events, scale: HadronScale
) -> tuple[Reconstructed, EventSample]:
    """Simulate and reconstruct with partflow; also the summary of the events."""
    events = pipeline.simulate_events(generated, CLIC, SimulationConfig())
    tables = summarise_collisions(events, CLIC, scale)
    of_events = tables["events"]
    jets = {name: tables[jet_table(name)] for name in ENERGY_SETS}
    totals = {name: getattr(of_events, name) for name in ENERGY_SETS}
    return Reconstructed(len(generated), jets, totals), of_events


def measure_other(generated: Events, candidates: Candidates) -> Reconstructed:
    """Jets and energies of the other program's candidates."""
    gen_jets = generator_jets(generated.particles)
    jets, totals = {}, {}
    for name, (event, px, py, pz, energy, *_) in candidates.items():
        order = np.argsort(event, kind="stable")
        offsets = offsets_from_counts(np.bincount(event, minlength=len(generated)))
        momentum = (px[order], py[order], pz[order])
        reco_jets = find_jets(name, offsets, momentum, energy[order], EVALUATION)
        jets[name] = judge_jets(gen_jets, reco_jets, 0, EVALUATION.max_delta_r)
        totals[name] = np.bincount(event, energy, len(generated))
    return Reconstructed(len(generated), jets, totals)


def generator_jets(particles: Collection) -> Collection:
    """Jets of all generator particles but neutrinos."""
    visible = particles.select(~is_neutrino(particles.pdg_id))
    momentum = (visible.px, visible.py, visible.pz)
    return find_jets("particles", visible.offsets, momentum, visible.energy, EVALUATION)


def concatenate(parts: Sequence[Reconstructed]) -> Reconstructed:
    """The events of several chunks, one after the other."""
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
    return Reconstructed(int(first[-1]), jets, totals)


def run(
    name: str, num_events: int, seed: int, other: Callable[[Events], Candidates] | None
) -> tuple[dict[str, Reconstructed], EventSample]:
    """One sample reconstructed by each program, and the summary of its events."""
    process, energy = COLLISIONS[name]
    scale = load_hadron_scale(CLIC)
    parts: dict[str, list[Reconstructed]] = {PARTFLOW: []} | ({OTHER: []} if other else {})
    of_events = []
    with progress(name, num_events) as advance:
        for generated in generate(GenerationConfig(process, num_events, seed, energy), CHUNK_SIZE):
            events, summary = reconstruct_with_partflow(generated, scale)
            parts[PARTFLOW].append(events)
            of_events.append(summary)
            if other is not None:
                parts[OTHER].append(measure_other(generated, other(generated)))
            advance(len(generated))
    return {program: concatenate(chunks) for program, chunks in parts.items()}, join(of_events)


def print_tables(name: str, programs: Mapping[str, Reconstructed], events: EventSample) -> None:
    """Print the tables of one sample."""
    is_uds = COLLISIONS[name][0] == "uds"
    bootstrap = estimate.resampling(len(events.event))
    print(f"\n{name}: {len(events.event)} events")
    heading = f"{'':<12}{'':<10}{'matched':>8}{'median':>8}{'IQR/median':>26}"
    print(heading + (f"{'RMS90/mean90 [%]':>24}{'mean90':>8}" if is_uds else ""))
    for candidates in ENERGY_SETS:
        for program, reconstructed in programs.items():
            line = f"{candidates:<12}{program:<10}"
            line += format_jets(reconstructed.jets[candidates], bootstrap)
            if is_uds:
                line += format_energy(reconstructed.totals[candidates], events, bootstrap)
            print(line)
    if OTHER in programs:
        for candidates in ENERGY_SETS:
            ours, theirs = (programs[program].jets[candidates] for program in (PARTFLOW, OTHER))
            ratio = jet_metrics(ours, theirs, bootstrap, EVALUATION)["relative_to_baseline"]
            low, high = ratio["iqr_over_median_ci"]
            interval = f"{ratio['iqr_over_median']:.3f} ({low:.3f} - {high:.3f})"
            print(f"{candidates:<12}IQR/median, {PARTFLOW} / {OTHER}: {interval}")
    for candidates in ENERGY_SETS:
        for program, reconstructed in programs.items():
            bins = format_bins(reconstructed.jets[candidates], bootstrap)
            print(f"  {candidates:<12}{program:<10}{bins}")


def format_jets(jets: JetSample, bootstrap: Bootstrap) -> str:
    """Matched fraction, median, and IQR/median with its interval."""
    entry = jet_metrics(jets, None, bootstrap, EVALUATION)
    low, high = entry["iqr_over_median_ci"]
    interval = f"{entry['iqr_over_median']:.4f} ({low:.4f} - {high:.4f})"
    return f"{entry['matched_fraction']:>8.3f}{entry['median']:>8.4f}{interval:>26}"


def format_energy(total: Array, events: EventSample, bootstrap: Bootstrap) -> str:
    """RMS90/mean90 of one jet with its interval, and mean90, of the accepted events."""
    accepted = events.abs_cos_theta < MAX_COS_THETA
    of_accepted = Bootstrap(bootstrap.weights[:, accepted], estimate.CONFIDENCE)
    energy = rms90_replicas(total[accepted] / events.gen_energy[accepted], of_accepted)
    percent = 100 * np.sqrt(2) * np.asarray(energy.rms) / energy.mean
    value, low, high = estimate.of_replicas(percent, of_accepted, int(accepted.sum()))
    return f"{f'{value:.2f} ({low:.2f} - {high:.2f})':>24}{float(np.asarray(energy.mean)[0]):>8.4f}"


def format_bins(jets: JetSample, bootstrap: Bootstrap) -> str:
    """IQR/median in bins of the generator jet's pt."""
    return "  ".join(
        f"{b['low']:g}-{b['high']:g}: {b['iqr_over_median']:.3f}"
        for b in jet_metrics(jets, None, bootstrap, EVALUATION)["bins"]
        if b["iqr_over_median"] is not None
    )


def main() -> None:
    """Compare the samples of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", nargs="+", default=list(COLLISIONS), choices=COLLISIONS)
    parser.add_argument("--num-events", type=int, default=300)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED + 1000)
    parser.add_argument("--other", type=Path, default=Path("../shared/prototype"))
    options = parser.parse_args()
    other = load_other(options.other, options.seed) if options.other.is_dir() else None
    for name in options.samples:
        print_tables(name, *run(name, options.num_events, options.seed, other))


if __name__ == "__main__":
    main()
