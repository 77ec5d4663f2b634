"""The probability from which on an element becomes a particle, chosen on validation events.

Where a readout cuts on the probability, 0.5 is right only for a calibrated network and for
whoever minds a missed particle as much as a fake. The threshold is the one with the largest F1
of "this element is a particle", 2 TP / (2 TP + FP + FN), among the elements that the readout
cuts on: all of them for `threshold`, tracks for `expectation`, which weights clusters instead.
F1 is the measure of a list of particles: it does not count the many elements that are nothing.
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
from partflow.model.folder import load_model, save_model
from partflow.model.mlpf import MLPF

THRESHOLD_FILE = "threshold.json"
GRID = np.linspace(0.05, 0.95, 91)
"""Thresholds to choose from: steps of 0.01, and no network is run where all or none are kept."""
USUAL = 0.5
NUM_BINS = 10


@dataclass(frozen=True)
class Choice:
    """A threshold, and what it was chosen by."""

    threshold: float
    f1: float
    """With the threshold."""
    usual_f1: float
    """With 0.5."""
    num_elements: int
    """Elements of the validation events that the readout cuts on."""


def store_threshold(
    folder: Path, batches: Iterable[LabelledBatch], provenance: Provenance | None = None
) -> Choice | None:
    """Choose a threshold for the network in `folder`, on `batches`, and store it with it.

    Beside the network, `threshold.json` holds the choice and the reliability of the
    probabilities of all elements. None, and nothing stored, where no element is a particle.
    """
    model = load_model(folder)
    assert isinstance(model, MLPF)  # training makes no other
    probability, is_particle, is_track = probabilities(model, batches)
    readout = model.config.readout
    cut = is_track if readout.kind == "expectation" else np.ones(len(is_track), dtype=bool)
    if not is_particle[cut].any():
        return None
    choice = choose_threshold(probability[cut], is_particle[cut])
    model.config = replace(model.config, readout=replace(readout, threshold=choice.threshold))
    save_model(model, folder, provenance)
    record = {
        "choice": asdict(choice),
        "reliability": {
            "track": reliability(probability[is_track], is_particle[is_track]),
            "cluster": reliability(probability[~is_track], is_particle[~is_track]),
        },
    }
    write_text(folder / THRESHOLD_FILE, json.dumps(record, indent=1, allow_nan=False))
    return choice


def probabilities(model: MLPF, batches: Iterable[LabelledBatch]) -> tuple[Array, Array, Array]:
    """Probability of each element, whether it is a particle, whether a track; all [element]."""
    parts = []
    with torch.inference_mode():
        for batch in batches:
            output = model(batch)
            is_particle = batch.targets[:, TargetColumn.CLASS] != 0
            columns = (output.probability, is_particle, batch.is_track)
            parts.append([column.cpu().numpy() for column in columns])
    probability, real, is_track = (np.concatenate(column) for column in zip(*parts, strict=True))
    return probability.astype(np.float64), real, is_track


def choose_threshold(probability: Array, is_particle: Array) -> Choice:
    """The threshold of GRID with the largest F1; of equals the one nearest to 0.5.

    >>> real = np.array([True, True, False, False])
    >>> choose_threshold(np.array([0.9, 0.4, 0.3, 0.1]), real).threshold
    0.4
    """
    f1 = np.array([_f1(probability >= threshold, is_particle) for threshold in GRID])
    best = np.lexsort((np.abs(GRID - USUAL), -f1))[0]
    usual = _f1(probability >= USUAL, is_particle)
    threshold = round(float(GRID[best]), 2)
    return Choice(threshold, float(f1[best]), usual, len(probability))


def reliability(probability: Array, is_particle: Array) -> dict[str, object]:
    """Part of the elements that are particles in bins of probability, and the mean distance."""
    place = np.minimum((probability * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    count = np.bincount(place, minlength=NUM_BINS)
    real = np.bincount(place, is_particle, NUM_BINS)
    mean = np.bincount(place, probability, NUM_BINS)
    total = max(len(probability), 1)
    return {
        "expected_calibration_error": float(np.abs(real - mean).sum() / total),
        "bins": [
            {
                "low": number / NUM_BINS,
                "high": (number + 1) / NUM_BINS,
                "num_elements": int(count[number]),
                "mean_probability": mean[number] / count[number] if count[number] else None,
                "fraction_real": real[number] / count[number] if count[number] else None,
            }
            for number in range(NUM_BINS)
        ],
    }


def _f1(is_kept: Array, is_particle: Array) -> float:
    both = 2 * np.count_nonzero(is_kept & is_particle)
    total = np.count_nonzero(is_kept) + np.count_nonzero(is_particle)
    return float(both / total) if total else 0.0
