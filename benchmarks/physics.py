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
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from partflow import pipeline
from partflow.core.detector import CLIC
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.particles import is_neutrino
from partflow.core.progress import progress
from partflow.core.records import Events
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.jets import JetSample, find_jets, jet_metrics, judge_jets
from partflow.evaluate.sample import join, select
from partflow.generate import GenerationConfig, generate
from partflow.simulate import SimulationConfig
from partflow.validate import estimate
from partflow.validate.collisions import JUDGING, jet_table, summarise_collisions
from partflow.validate.jets import ENERGY_SETS, MAX_COS_THETA
from partflow.validate.rms90 import rms90_replicas
from partflow.validate.samples import COLLISIONS, DEFAULT_SEED
from partflow.validate.summary import Summary, concatenate

BATCH = 100
OWN, OTHER = "partflow", "other"
OTHER_SETS = dict(zip(ENERGY_SETS, ("pfos", "calo", "perfect"), strict=True))


def load_other(folder: Path, seed: int) -> Callable[[Events], dict[str, tuple[Any, ...]]]:
    """A function that gives the other program's candidates of generated events, by set."""
    sys.path.insert(0, str(folder))
    import pf
    import reco
    import sim

    weights = np.load(folder / "W.npy")
    simulation, rng = sim.Sim(), np.random.default_rng(seed)
    sim.seed(seed)

    def reconstruct(generated: Events) -> dict[str, tuple[Any, ...]]:
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


def other_chunk(
    candidates: dict[str, tuple[Any, ...]], generated: Events
) -> tuple[dict[str, JetSample], dict[str, np.ndarray]]:
    """Judged jets and total energies of the other program's candidates, by set."""
    labelled = generator_jets(generated)
    jets, totals = {}, {}
    for name, (event, px, py, pz, energy, *_) in candidates.items():
        order = np.argsort(event, kind="stable")
        counts = np.bincount(event, minlength=len(generated))
        offsets = np.concatenate([[0], np.cumsum(counts)])
        momentum = tuple(values[order] for values in (px, py, pz))
        found = find_jets(name, offsets, momentum, energy[order], JUDGING)
        jets[name] = judge_jets(labelled, found, 0, JUDGING.max_delta_r)
        totals[name] = np.bincount(event, energy, len(generated))
    return jets, totals


def generator_jets(generated: Events) -> Any:
    """Jets of all generator particles but neutrinos."""
    seen = generated.particles.select(~is_neutrino(generated.particles.pdg_id))
    momentum = (seen.px, seen.py, seen.pz)
    return find_jets("particles", seen.offsets, momentum, seen.energy, JUDGING)


def run(
    name: str, num_events: int, seed: int, other: Callable[[Events], Any] | None
) -> dict[str, Any]:
    """Jets and energies of both programs, on one sample."""
    process, energy = COLLISIONS[name]
    scale = load_hadron_scale(CLIC)
    own: list[Summary] = []
    other_jets: dict[str, list[JetSample]] = {s: [] for s in ENERGY_SETS}
    other_totals: dict[str, list[np.ndarray]] = {s: [] for s in ENERGY_SETS}
    first = 0
    with progress(name, num_events) as advance:
        for generated in generate(GenerationConfig(process, num_events, seed, energy), BATCH):
            events = pipeline.simulate_events(generated, CLIC, SimulationConfig())
            own.append(Summary(len(events), summarise_collisions(events, CLIC, scale)))
            if other is not None:
                jets, totals = other_chunk(other(generated), generated)
                for s in ENERGY_SETS:
                    shifted = JetSample(
                        jets[s].event + first, jets[s].gen_pt, jets[s].gen_abs_eta,
                        jets[s].response,
                    )  # fmt: skip
                    other_jets[s].append(shifted)
                    other_totals[s].append(totals[s])
            first += len(generated)
            advance(len(generated))
    summary = concatenate(own)
    result = {OWN: (
        {s: summary[jet_table(s)] for s in ENERGY_SETS},
        {s: getattr(summary["events"], s) for s in ENERGY_SETS},
    )}  # fmt: skip
    if other is not None:
        result[OTHER] = (
            {s: join(other_jets[s]) for s in ENERGY_SETS},
            {s: np.concatenate(other_totals[s]) for s in ENERGY_SETS},
        )
    return {"programs": result, "events": summary["events"]}


def report(name: str, found: dict[str, Any]) -> None:
    """Print the tables of one sample."""
    events = found["events"]
    is_uds = COLLISIONS[name][0] == "uds"
    bootstrap = estimate.resampling(len(events.event))
    print(f"\n{name}: {len(events.event)} events")
    print(f"{'':<12}{'':<10}{'matched':>8}{'median':>8}{'IQR/median':>26}"
          + (f"{'RMS90/mean90 [%]':>24}{'mean90':>8}" if is_uds else ""))  # fmt: skip
    for s in ENERGY_SETS:
        for program, (jets, totals) in found["programs"].items():
            line = f"{s:<12}{program:<10}" + jet_words(jets[s], bootstrap)
            print(line + (energy_words(totals[s], events, bootstrap) if is_uds else ""))
    if OTHER in found["programs"]:
        for s in ENERGY_SETS:
            own, other = (found["programs"][p][0][s] for p in (OWN, OTHER))
            ratio = jet_metrics(own, other, bootstrap, JUDGING)["relative_to_baseline"]
            low, high = ratio["iqr_over_median_ci"]
            print(
                f"{s:<12}IQR/median, partflow / other: {ratio['iqr_over_median']:.3f}"
                f"  ({low:.3f} to {high:.3f})"
            )
    if OTHER in found["programs"]:
        print_bins(found["programs"], bootstrap)


def jet_words(jets: JetSample, bootstrap: Bootstrap) -> str:
    entry = SimpleNamespace(**jet_metrics(jets, None, bootstrap, JUDGING))
    low, high = entry.iqr_over_median_ci
    interval = f"{entry.iqr_over_median:.4f} ({low:.4f} - {high:.4f})"
    return f"{entry.matched_fraction:>8.3f}{entry.median:>8.4f}{interval:>26}"


def energy_words(total: np.ndarray, events: Any, bootstrap: Bootstrap) -> str:
    accepted = events.abs_cos_theta < MAX_COS_THETA
    chosen = select(events, accepted)
    of_accepted = Bootstrap(bootstrap.weights[:, accepted], estimate.CONFIDENCE)
    found = rms90_replicas(total[accepted] / chosen.gen_energy, of_accepted)
    resolution = estimate.of_replicas(
        100 * np.sqrt(2) * np.asarray(found.rms) / found.mean, of_accepted, len(chosen.event)
    )
    interval = f"{resolution.value:.2f} ({resolution.low:.2f} - {resolution.high:.2f})"
    return f"{interval:>24}{float(np.asarray(found.mean)[0]):>8.4f}"


def print_bins(programs: dict[str, Any], bootstrap: Bootstrap) -> None:
    """IQR/median in bins of the generator jet's pt."""
    for s in ENERGY_SETS:
        for program, (jets, _) in programs.items():
            cells = [
                f"{b['low']:g}-{b['high']:g}: {b['iqr_over_median']:.3f}"
                for b in jet_metrics(jets[s], None, bootstrap, JUDGING)["bins"]
                if b["iqr_over_median"] is not None
            ]
            print(f"  {s:<12}{program:<10}{'  '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", nargs="+", default=list(COLLISIONS), choices=COLLISIONS)
    parser.add_argument("--num-events", type=int, default=300)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED + 1000)
    parser.add_argument("--other", type=Path, default=Path("../shared/prototype"))
    options = parser.parse_args()
    other = load_other(options.other, options.seed) if options.other.is_dir() else None
    for name in options.samples:
        report(name, run(name, options.num_events, options.seed, other))


if __name__ == "__main__":
    main()
