import subprocess
import sys

import fastjet
import numpy as np
import pytest

from partflow.core.errors import DataError
from partflow.core.jets import JetDefinition, cluster_jets


def random_momenta(rng: np.random.Generator, num: int) -> np.ndarray:
    axes = rng.normal(size=(4, 3))
    momentum = axes[rng.integers(0, 4, num)] * rng.exponential(5, (num, 1))
    momentum += rng.normal(scale=0.2, size=(num, 3))
    return np.column_stack([momentum, np.linalg.norm(momentum, axis=1)])


def test_jets_are_those_of_fastjet_event_by_event() -> None:
    rng = np.random.default_rng(1)
    events = [random_momenta(rng, n) for n in (40, 0, 1, 60)]
    offsets = np.concatenate([[0], np.cumsum([len(e) for e in events])])
    jets, jet_index = cluster_jets(offsets, *np.concatenate(events).T)
    definition = fastjet.JetDefinition(fastjet.ee_genkt_algorithm, 0.4, -1.0)
    for i, event in enumerate(events):
        inputs = [fastjet.PseudoJet(*map(float, row)) for row in event]
        reference = fastjet.ClusterSequence(inputs, definition) if inputs else None
        expected = sorted((j.pt() for j in reference.inclusive_jets(5.0)), reverse=True) if (
            reference
        ) else []  # fmt: skip
        np.testing.assert_allclose(jets[i : i + 1].pt, expected, rtol=1e-9)
        jet_of_object = jet_index[offsets[i] : offsets[i + 1]]
        for j in range(len(expected)):
            px, py = event[jet_of_object == j, :2].sum(axis=0)
            np.testing.assert_allclose(np.hypot(px, py), expected[j], rtol=1e-9)


def test_objects_of_jets_below_the_threshold_have_no_jet() -> None:
    jets, jet_index = cluster_jets(
        np.array([0, 2]), np.array([-1.0, 50]), np.zeros(2), np.array([0, 1.0]), np.array([1.0, 51])
    )
    assert jet_index.tolist() == [-1, 0]
    assert len(jets) == 1
    jets, _ = cluster_jets(
        np.array([0, 1]), *np.array([[1.0], [0], [0], [1]]), definition=JetDefinition(min_pt=0.5)
    )
    assert jets.pt.tolist() == [1.0]


def test_no_event_gives_no_jet_and_nan_is_refused() -> None:
    nothing = np.empty(0)
    jets, _ = cluster_jets(np.array([0]), nothing, nothing, nothing, nothing)
    assert jets.num_events == 0
    with pytest.raises(DataError, match="1 values of px not finite"):
        cluster_jets(np.array([0, 1]), np.array([np.nan]), *np.ones((3, 1)))


def test_fastjet_prints_nothing_to_standard_output() -> None:
    program = (
        "import numpy as np; from partflow.core.jets import cluster_jets; "
        "cluster_jets(np.array([0, 1]), *np.array([[9.0], [0], [0], [9.0]])); print('done')"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert printed.stdout.split() == [b"done"]
