"""Further rounds of sharing: what they see, and that they begin as no change."""

import numpy as np
import torch

from partflow.model.config import ModelConfig
from partflow.model.mlpf import MLPF
from partflow.model.neighbourhood import HADRON_RESOLUTION
from partflow.model.owners import NUM_PAIR_INPUTS, PAIR_ENERGY_FLOOR
from partflow.model.sharing_rounds import NUM_BALANCE_INPUTS, AssignedPairs, balance_inputs

# Two tracks of 10 and 4 GeV, three clusters of 6, 5 and 3 GeV.
ENERGY = torch.tensor([10.0, 4.0, 6.0, 5.0, 3.0])
CLUSTER = torch.tensor([0, 0, 1, 1, 2, 2])
OWNER = torch.tensor([0, 2, 0, 1, 1, 4])
SHARE = torch.tensor([0.9, 0.1, 0.5, 0.5, 0.25, 0.75])


def pairs():
    geometry = torch.zeros(len(CLUSTER), NUM_PAIR_INPUTS)
    return AssignedPairs(CLUSTER, OWNER, geometry, ENERGY, num_tracks=2)


def test_a_pair_sees_how_the_energy_of_its_owner_compares_with_and_without_the_cluster():
    inputs = balance_inputs(SHARE, pairs()).numpy()
    assert inputs.shape == (len(CLUSTER), NUM_BALANCE_INPUTS)
    claimed = np.zeros(len(ENERGY))
    for cluster, owner, share in zip(CLUSTER, OWNER, SHARE, strict=True):
        claimed[owner] += float(share * ENERGY[2 + cluster])
    for row, (cluster, owner, share) in enumerate(zip(CLUSTER, OWNER, SHARE, strict=True)):
        own, energy = float(ENERGY[owner]), float(ENERGY[2 + cluster])
        others = claimed[owner] - float(share) * energy
        if owner < 2:
            sigma = HADRON_RESOLUTION * np.sqrt(own)
            expected = [(e - own) / sigma / 2 for e in (claimed[owner], others, others + energy)]
            np.testing.assert_allclose(inputs[row, :3], expected, rtol=1e-5, atol=1e-6)
            assert inputs[row, 4] == 0
        else:
            np.testing.assert_array_equal(inputs[row, :4], 0)
            ratio = (claimed[owner] + PAIR_ENERGY_FLOOR) / (own + PAIR_ENERGY_FLOOR)
            np.testing.assert_allclose(inputs[row, 4], np.log(ratio), rtol=1e-5, atol=1e-6)
        assert inputs[row, 7] == share


def test_rounds_begin_as_no_change(learnable_events):
    from partflow.dataset.batches import batch_of_elements

    events = learnable_events([3, 5], [6, 4], seed=3)
    batch = batch_of_elements(events.elements, events.event_id)
    config = {"dim": 16, "num_layers": 1, "num_heads": 2, "head": "sharing"}
    models = []
    for rounds in (1, 3):
        torch.manual_seed(0)
        models.append(MLPF(ModelConfig(**config, sharing_rounds=rounds)).eval())
    missing, unexpected = models[1].load_state_dict(models[0].state_dict(), strict=False)
    assert not unexpected and all(".rounds." in name for name in missing)
    with torch.no_grad():
        one, three = (model(batch).log_share for model in models)
    torch.testing.assert_close(one, three)
