import numpy as np
import pytest
import torch

from partflow.dataset.batches import LabelledBatch
from partflow.dataset.columns import TargetColumn
from partflow.model.published.mlpf import PublishedOutput
from partflow.train.published_loss import met_distance, published_loss


def labelled(features, targets, gen_met, counts):
    counts = np.asarray(counts, dtype=np.int64)
    return LabelledBatch(
        event_id=torch.arange(len(counts)),
        offsets=torch.from_numpy(np.concatenate([[0], np.cumsum(counts)])),
        features=torch.from_numpy(features),
        event_index=torch.from_numpy(np.repeat(np.arange(len(counts)), counts)),
        counts=tuple(counts.tolist()),
        targets=torch.from_numpy(targets[:, : len(TargetColumn)]),
        gen_met=torch.from_numpy(np.stack([gen_met, np.zeros_like(gen_met)], 1)),
        process_index=torch.zeros(len(counts), dtype=torch.int64),
        event_weight=torch.ones(len(counts)),
    )


@pytest.mark.parametrize("name", ["attention_small", "gnn_lsh_small"])
def test_the_terms_agree_with_those_of_the_published_program(shared_data, name):
    with np.load(shared_data / "weights" / f"{name}_io.npz") as stored:
        batch = labelled(stored["X"], stored["ytarget"], stored["genmet"], stored["num_elements"])
        outputs = (torch.from_numpy(stored[k]) for k in ("cls_binary", "cls_id", "momentum"))
        output = PublishedOutput(*outputs)
        found = published_loss(output, batch) | {"MET": met_distance(output, batch)}
        expected = dict(zip(stored["loss_names"].tolist(), stored["loss_values"], strict=True))
    assert set(found) == set(expected)
    for term, value in expected.items():
        assert found[term].item() == pytest.approx(value, rel=1e-4, abs=1e-4), term


def test_without_elements_or_targets_the_loss_is_finite():
    for num_elements in (0, 3):
        features = np.ones((num_elements, 17), "f4")
        batch = labelled(
            features, np.zeros((num_elements, 8), "f4"), np.zeros(1, "f4"), [num_elements]
        )
        output = PublishedOutput(
            torch.zeros(num_elements, 2), torch.zeros(num_elements, 6), torch.zeros(num_elements, 5)
        )
        loss = published_loss(output, batch)
        binary = 10 * np.log(2.0) if num_elements else 0.0
        assert loss["Classification_binary"].item() == pytest.approx(binary)
        assert loss["Total"].item() == pytest.approx(binary)
        assert met_distance(output, batch).item() == 0.0


def test_a_perfect_output_has_no_loss():
    features = np.ones((2, 17), "f4")
    targets = np.zeros((2, 8), "f4")
    targets[0] = [3, 0, 2.0, 0.5, 0.6, 0.8, 3.0, -1]
    batch = labelled(features, targets, np.array([2.0], "f4"), [2])
    logits = torch.zeros(2, 6)
    logits[0, 3] = 100.0
    output = PublishedOutput(
        torch.tensor([[-50.0, 50.0], [50.0, -50.0]]),
        logits,
        torch.tensor([[np.log(2.0), 0.5, 0.6, 0.8, np.log(3.0)], [9.0] * 5]),
    )
    assert published_loss(output, batch)["Total"].item() == pytest.approx(0.0, abs=1e-6)
    assert met_distance(output, batch).item() == pytest.approx(0.0, abs=1e-6)
