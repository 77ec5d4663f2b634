"""Choice of the probability threshold above which an element becomes a particle.

A threshold of 0.5 is the best only if probabilities are calibrated and missed particles and fakes
are equally bad. Instead, the threshold is chosen on validation events: the one with the largest
F1 = 2 TP / (2 TP + FP + FN) of "this element is a particle". F1 measures a list of particles,
since it does not count the many elements that are correctly left out. It is taken over the
elements that the readout cuts on: all of them for `threshold`, the tracks for `expectation`, which
weights clusters instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from partflow.core.outputs import write_text
from partflow.core.provenance import Provenance
from partflow.core.records import Array
from partflow.dataset.batches import LabelledBatch
from partflow.dataset.columns import TargetColumn
from partflow.model.config import ReadoutConfig
from partflow.model.files import THRESHOLD_FILE
from partflow.model.folder import save_model
from partflow.model.mlpf import MLPF

THRESHOLDS = np.linspace(0.05, 0.95, 91)
"""Thresholds to choose from, in steps of 0.01; at the ends all or no elements would be kept."""
DEFAULT_THRESHOLD = ReadoutConfig().threshold
NUM_BINS = 10
"""Bins of probability of the reliability table."""


@dataclass(frozen=True)
class ThresholdChoice:
    """The chosen threshold and its F1."""

    threshold: float
    """Probability from which an element becomes a particle."""
    f1: float
    """F1 at the chosen threshold."""
    usual_f1: float
    """F1 at the default threshold."""
    num_elements: int
    """Elements of the validation events that the readout cuts on."""


def store_threshold(
    model: MLPF,
    folder: Path,
    batches: Iterable[LabelledBatch],
    provenance: Provenance | None = None,
) -> ThresholdChoice | None:
    """Choose a threshold for the network `model` on `batches`, and store both in `folder`.

    The threshold becomes part of the model's configuration. `threshold.json` holds the choice and
    the reliability of the probabilities of all elements. Returns None, and stores nothing, where
    no element is a particle.
    """
    probability, is_particle, is_track = probabilities(model, batches)
    readout = model.config.readout
    is_cut_on = is_track if readout.kind == "expectation" else np.ones(len(is_track), dtype=bool)
    if not is_particle[is_cut_on].any():
        return None
    choice = choose_threshold(probability[is_cut_on], is_particle[is_cut_on])
    model.config = replace(model.config, readout=replace(readout, threshold=choice.threshold))
    save_model(model, folder, provenance)
    content = {
        "choice": asdict(choice),
        "reliability": {
            "track": reliability(probability[is_track], is_particle[is_track]),
            "cluster": reliability(probability[~is_track], is_particle[~is_track]),
        },
    }
    write_text(folder / THRESHOLD_FILE, json.dumps(content, indent=1, allow_nan=False))
    return choice


def probabilities(model: MLPF, batches: Iterable[LabelledBatch]) -> tuple[Array, Array, Array]:
    """Predicted probability, whether it is a particle and whether a track, each [element]."""
    parts = []
    with torch.inference_mode():
        for batch in batches:
            output = model(batch)
            has_target = batch.targets[:, TargetColumn.CLASS] != 0
            columns = (output.probability, has_target, batch.is_track)
            parts.append([column.cpu().numpy() for column in columns])
    joined = (np.concatenate(column) for column in zip(*parts, strict=True))
    probability, is_particle, is_track = joined
    return probability.astype(np.float64), is_particle, is_track


def choose_threshold(probability: Array, is_particle: Array) -> ThresholdChoice:
    """The threshold with the largest F1; of equal ones the nearest to the default.

    >>> is_particle = np.array([True, True, False, False])
    >>> choose_threshold(np.array([0.9, 0.4, 0.3, 0.1]), is_particle).threshold
    0.4
    """
    f1 = np.array([_f1(probability >= threshold, is_particle) for threshold in THRESHOLDS])
    best = np.lexsort((np.abs(THRESHOLDS - DEFAULT_THRESHOLD), -f1))[0]
    usual_f1 = _f1(probability >= DEFAULT_THRESHOLD, is_particle)
    threshold = round(float(THRESHOLDS[best]), 2)
    return ThresholdChoice(threshold, float(f1[best]), usual_f1, len(probability))


def reliability(probability: Array, is_particle: Array) -> dict[str, object]:
    """Fraction of elements that are particles in bins of probability, as JSON can hold it.

    The expected calibration error is the mean over elements of the difference between mean
    probability and fraction of particles in their bin (arXiv:1706.04599).
    """
    bin_index = np.minimum((probability * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    num_elements = np.bincount(bin_index, minlength=NUM_BINS)
    num_particles = np.bincount(bin_index, is_particle, NUM_BINS)
    probability_sum = np.bincount(bin_index, probability, NUM_BINS)
    error = np.abs(num_particles - probability_sum).sum() / max(len(probability), 1)
    bins = []
    for i, num in enumerate(num_elements):
        bins.append(
            {
                "low": i / NUM_BINS,
                "high": (i + 1) / NUM_BINS,
                "num_elements": int(num),
                "mean_probability": probability_sum[i] / num if num else None,
                "fraction_real": num_particles[i] / num if num else None,
            }
        )
    return {"expected_calibration_error": float(error), "bins": bins}


def _f1(is_kept: Array, is_particle: Array) -> float:
    """F1 of keeping the elements `is_kept`."""
    both = 2 * np.count_nonzero(is_kept & is_particle)
    total = np.count_nonzero(is_kept) + np.count_nonzero(is_particle)
    return float(both / total) if total else 0.0
