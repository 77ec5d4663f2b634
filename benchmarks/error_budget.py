"""What is left to gain: a network with one ingredient after the other replaced by the truth.

    python -m benchmarks.error_budget events/ --model run/ --output DIR [--events 1000]

A network with the sharing head finds particles (which elements are one, and of which class), shares
(which part of each cluster belongs to whom) and momenta (how the energy of a shower follows from
its parts). Each row takes some of them from the truth; its jets and missing momentum are judged
like those of any candidates:

    network               nothing is replaced
    particles             elements and classes are those of the targets
    shares                the energy of each cluster is divided as the truth says
    momenta               showers that the network lists have the momentum of their target
    particles + shares    the network only measures
    particles + momenta   the targets; tracks as they are measured

Written are DIR/table.md, DIR/error_budget.png, and DIR/confusion.md: the energy that the network
gives to a wrong owner, by the energy of the cluster, the distance to the nearest track, and the
kinds of true and predicted owner.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from partflow.core.candidate_sets import BASELINE, PERFECT, SHARING, SHARING_FINE, TARGET
from partflow.core.features import (
    ELEMENT_SETS,
    ClusterFeature,
    ExtraFeature,
    build_elements,
    feature_matrix,
)
from partflow.core.outputs import write_text
from partflow.core.particles import PHOTON
from partflow.core.records import Array, Collection, Events
from partflow.core.store import iterate_events
from partflow.dataset.batches import Batch, Shares, batch_of_elements
from partflow.evaluate import EvaluationConfig, Evaluator
from partflow.infer.predictions import Predictions, network_predictions, to_numpy
from partflow.infer.readout import is_listed, read_out
from partflow.model.config import ReadoutConfig
from partflow.model.heads import PARTICLE_CLASSES
from partflow.model.sharing import SharingOutput
from partflow.pipeline.element_sets import ElementSets
from partflow.pipeline.evaluation import judge_chunk
from partflow.pipeline.labels import label_events

VARIANTS = {
    "network": (),
    "particles": ("particles",),
    "shares": ("shares",),
    "momenta": ("momenta",),
    "particles + shares": ("particles", "shares"),
    "particles + momenta": ("particles", "momenta"),
}
"""What each row takes from the truth."""
CEILINGS = (PERFECT, SHARING, SHARING_FINE, TARGET)
KINDS = ("track", "photon", "neutral hadron", "no target", "unassigned", "too far")
"""Kinds of owners, by their targets. What is too far is no possible owner of the cluster."""
ENERGY_EDGES = (0.0, 1.0, 3.0, 10.0, 30.0, np.inf)
"""Bins of the cluster's energy [GeV]."""
DISTANCE_EDGES = (0.0, 20.0, 50.0, 100.0, 300.0, np.inf)
"""Bins of the distance from the nearest track at the calorimeter [mm]."""
CERTAIN = 30.0  # logit of what the truth says


class Truth(NamedTuple):
    """Truth of the elements of a batch."""

    is_particle: Tensor
    """Whether each element has a target, [element]."""
    class_index: Tensor
    """Index in PARTICLE_CLASSES of the target's class, 0 without a target, [element]."""
    shares: Shares
    targets: Collection


def truth_of(labelled: Events, batch: Batch) -> Truth:
    """The truth of labelled events, by the rows of their batch."""
    targets, shares = labelled.targets, labelled.shares
    first = targets.offsets[:-1][shares.event_index]
    owner = np.where(shares.owner_element >= 0, first + shares.owner_element, -1)
    columns = (first + shares.cluster_element, owner, shares.energy_em.astype("f4"))
    index = {pdg_id: i for i, pdg_id in enumerate(PARTICLE_CLASSES)}
    class_index = np.array([index.get(int(pdg_id), 0) for pdg_id in targets.pdg_id], dtype="i8")
    return Truth(
        torch.from_numpy(targets.pdg_id != 0),
        torch.from_numpy(class_index),
        Shares(*(torch.from_numpy(np.ascontiguousarray(column)) for column in columns)),
        targets,
    )


def with_truth(
    output: SharingOutput, batch: Batch, truth: Truth, parts: tuple[str, ...], config: ReadoutConfig
) -> Predictions:
    """Predictions of a network, with the `parts` that the truth replaces."""
    if "particles" in parts:
        output = with_true_particles(output, truth)
    if "shares" in parts:
        output = output.with_shares(output.true_share(truth.shares))
    is_track = batch.is_track.numpy()
    listed = is_listed(to_numpy(output.probability), is_track, config)
    output = output.listed(torch.from_numpy(listed).to(output.is_particle_logit))
    predictions = network_predictions(output, batch)
    if "momenta" not in parts:
        return predictions
    targets = truth.targets
    known = ~is_track & (targets.pdg_id != 0)
    true = {
        "pt": targets.pt,
        "eta": targets.eta,
        "phi": np.arctan2(targets.sin_phi, targets.cos_phi),
        "energy": targets.energy,
    }
    return predictions._replace(**{
        name: np.where(known, values, getattr(predictions, name)) for name, values in true.items()
    })  # fmt: skip


def with_true_particles(output: SharingOutput, truth: Truth) -> SharingOutput:
    """Elements and classes of the targets; momenta are measured for these classes."""
    logits = torch.full_like(output.class_logits, -CERTAIN)
    logits = logits.scatter(1, truth.class_index[:, None], CERTAIN)
    rows = output.measurement.cluster_rows
    is_photon = truth.class_index[rows] == PARTICLE_CLASSES.index(PHOTON)
    measurement = replace(output.measurement, photon_probability=is_photon.to(logits))
    changed = replace(
        output,
        is_particle_logit=torch.where(truth.is_particle, CERTAIN, -CERTAIN).to(logits),
        class_logits=logits,
        measurement=measurement,
    )
    return changed.with_shares(changed.log_share.exp())


class Confusion:
    """Energy that a network gives to a wrong owner [GeV], added up over batches."""

    def __init__(self) -> None:
        self.flow = np.zeros((len(KINDS), len(KINDS)))
        """From the true to the predicted kind of owner."""
        self.wrong, self.total = (
            np.zeros((len(ENERGY_EDGES) - 1, len(DISTANCE_EDGES) - 1)) for _ in range(2)
        )
        """Wrongly given and all energy, by energy of the cluster and distance to a track."""
        self.num_events = 0

    def add(self, output: SharingOutput, batch: Batch, truth: Truth) -> None:
        """Add the shares of a batch."""
        cluster, owner = output.pairs
        is_photon = truth.class_index == PARTICLE_CLASSES.index(PHOTON)
        kind = torch.where(truth.is_particle, torch.where(is_photon, 1, 2), 3)
        kind[batch.is_track] = 0
        kind_of_owner = torch.where(owner >= 0, kind[owner.clamp(min=0)], KINDS.index("unassigned"))
        change = (output.log_share.exp() - output.true_share(truth.shares)).double()
        place = cluster * len(KINDS) + kind_of_owner

        def by_kind(values: Tensor) -> Array:
            summed = values.new_zeros(len(batch) * len(KINDS)).index_add(0, place, values)
            return summed.view(len(batch), len(KINDS)).numpy()

        missing, excess = by_kind((-change).clamp(min=0)), by_kind(change.clamp(min=0))
        missing[:, KINDS.index("too far")] = (excess.sum(1) - missing.sum(1)).clip(min=0.0)
        energy = batch.features[:, ClusterFeature.ENERGY].double().numpy()
        scale = energy / np.maximum(excess.sum(1), 1e-12)
        self.flow += np.einsum("ct,cp,c->tp", missing, excess, scale)
        rows = np.flatnonzero(~batch.is_track.numpy())
        bins = (
            energy[rows],
            nearest_track(output, batch)[rows],
        )
        for target, weight in ((self.wrong, excess.sum(1) * energy), (self.total, energy)):
            target += np.histogram2d(
                *bins, bins=(ENERGY_EDGES, DISTANCE_EDGES), weights=weight[rows]
            )[0]
        self.num_events += batch.num_events

    def text(self) -> str:
        """Both tables, as Markdown; energies on the EM scale, per event."""
        number = max(self.num_events, 1)
        head = "| true owner \\ given to [GeV/event] | " + " | ".join(KINDS) + " |"
        lines = [head, "|---" * (len(KINDS) + 1) + "|"]
        for kind, row in zip(KINDS, self.flow / number, strict=True):
            lines.append(f"| {kind} | " + " | ".join(f"{v:.3f}" for v in row) + " |")
        columns = [ranged(*edge) for edge in itertools.pairwise(DISTANCE_EDGES)]
        lines += ["", "| cluster [GeV] \\ nearest track [mm] | " + " | ".join(columns) + " |"]
        lines.append("|---" * (len(columns) + 1) + "|")
        for i, edge in enumerate(itertools.pairwise(ENERGY_EDGES)):
            cells = [
                f"{wrong / number:.2f} ({wrong / total:.1%})" if total else "-"
                for wrong, total in zip(self.wrong[i], self.total[i], strict=True)
            ]
            lines.append(f"| {ranged(*edge)} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"


def ranged(low: float, high: float) -> str:
    """A bin as text.

    >>> ranged(30.0, np.inf)
    'above 30'
    """
    return f"above {low:g}" if np.isinf(high) else f"{low:g}-{high:g}"


def nearest_track(output: SharingOutput, batch: Batch) -> Array:
    """Distance [mm] of each element from the nearest track among its possible owners, or infinite.

    The end of the last bin stands for infinity.
    """
    cluster, owner = output.pairs
    of_track = (owner >= 0) & batch.is_track[owner.clamp(min=0)]
    cluster, owner = cluster[of_track], owner[of_track]
    position = batch.features[:, ExtraFeature.FACE_X : ExtraFeature.FACE_Z + 1]
    distance = torch.linalg.vector_norm(position[cluster] - position[owner], dim=1)
    nearest = distance.new_full((len(batch),), 1e9)
    return nearest.scatter_reduce(0, cluster, distance, "amin").numpy()


def budget(
    events: Path, model: Path, limit: int, config: EvaluationConfig
) -> tuple[dict[str, Any], Confusion]:
    """Metrics of all variants and references on the first `limit` events, and the confusion."""
    from partflow.model.folder import load_model

    network = load_model(model)
    if not network.shares_energy:
        raise SystemExit(f"{model}: has no sharing head")
    element_set, clusters = network.config.elements, ElementSets.of(events)
    evaluator, confusion, number = Evaluator(config), Confusion(), 0
    for chunk in iterate_events(events, "events"):
        chunk = clusters.add(chunk[: limit - number], [element_set])
        number += len(chunk)
        labelled, _ = label_events(chunk, element_set=element_set)
        elements = build_elements(
            chunk.tracks, chunk.collections[ELEMENT_SETS[element_set].clusters]
        )
        batch = batch_of_elements(elements, np.arange(len(chunk)))
        truth = truth_of(labelled, batch)
        with torch.inference_mode():
            output = network(batch)
            confusion.add(output, batch, truth)
            sets = {
                name: candidates(elements, batch, output, truth, parts, network.config.readout)
                for name, parts in VARIANTS.items()
            }
        of_chunk = {
            name: Events(chunk.event_id, chunk.process, {"candidates": candidate_set})
            for name, candidate_set in sets.items()
        }
        judge_chunk(
            evaluator, chunk, of_chunk, dict.fromkeys(sets, element_set), clusters.detector,
            sources_unknown=sets,
        )  # fmt: skip
        if number >= limit:
            break
    return evaluator.metrics(), confusion


def candidates(
    elements: Collection,
    batch: Batch,
    output: SharingOutput,
    truth: Truth,
    parts: tuple[str, ...],
    config: ReadoutConfig,
) -> Collection:
    """CANDIDATES of a network with the `parts` that the truth replaces."""
    predictions = with_truth(output, batch, truth, parts, config)
    return read_out(elements, feature_matrix(elements), predictions, config)


def table(metrics: Mapping[str, Any]) -> str:
    """One row for each variant and reference, as Markdown."""
    names = [*VARIANTS, BASELINE, *(name for name in CEILINGS if name in metrics["jets"])]
    lines = [
        "| from the truth | jets IQR/median | / baseline | matched | MET difference IQR [GeV] |",
        "|---|---|---|---|---|",
    ]
    baseline = metrics["jets"][BASELINE]["iqr_over_median"]
    for name in names:
        jets, met = metrics["jets"][name], metrics["met"][name]
        low, high = jets["iqr_over_median_ci"]
        width = jets["iqr_over_median"]
        lines.append(
            f"| {name} | {width:.4f} ({low:.4f}-{high:.4f}) | {width / baseline:.3f} "
            f"| {jets['matched_fraction']:.3f} | {met['iqr_of_difference']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def draw(metrics: Mapping[str, Any], file: Path) -> None:
    """Draw the width of the jet response of each row, to a PNG file."""
    from matplotlib.figure import Figure

    names = [*VARIANTS, BASELINE, *(name for name in CEILINGS if name in metrics["jets"])][::-1]
    widths = [metrics["jets"][name]["iqr_over_median"] for name in names]
    ends = np.array([metrics["jets"][name]["iqr_over_median_ci"] for name in names]).T
    figure = Figure(figsize=(7, 0.45 * len(names) + 1), layout="constrained")
    axes = figure.add_subplot()
    colours = ["#0072b2" if name in VARIANTS else "#9a9a9a" for name in names]
    axes.barh(names, widths, xerr=np.abs(ends - widths), color=colours)
    axes.set(xlabel="jet response IQR / median")
    figure.savefig(file, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=Path)
    for name in ("model", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--events", dest="limit", type=int, default=1000)
    options = parser.parse_args()
    config = EvaluationConfig(num_replicas=200)
    metrics, confusion = budget(options.events, options.model, options.limit, config)
    options.output.mkdir(parents=True, exist_ok=True)
    write_text(options.output / "table.md", table(metrics))
    write_text(options.output / "confusion.md", confusion.text())
    draw(metrics, options.output / "error_budget.png")
    print(table(metrics), confusion.text(), sep="\n")


if __name__ == "__main__":
    main()
