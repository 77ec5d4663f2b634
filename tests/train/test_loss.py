import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from partflow.core.errors import DataError
from partflow.dataset.batches import Shares
from partflow.dataset.columns import TargetColumn
from partflow.model.config import ModelConfig
from partflow.model.heads import IMPOSSIBLE, Output
from partflow.model.mlpf import MLPF
from partflow.train.loss import (
    LossConfig,
    local_sum_losses,
    loss_terms,
    missing_momentum_loss,
    share_loss,
)
from partflow.train.terms import TermSums


def means(terms):
    """The value of each term."""
    return {name: float(term.mean) for name, term in terms.items()}


def random_output(batch, seed=0):
    generator = torch.Generator().manual_seed(seed)
    number = len(batch)
    logits = torch.randn(number, 5, generator=generator)
    is_track = batch.is_track
    logits[is_track][:, [1, 2]] = IMPOSSIBLE
    drawn = {f.name: 0.3 * torch.randn(number, generator=generator) for f in fields(Output)}
    columns = {"class_logits": logits, "background_logit": torch.zeros(number, 0)}
    return Output(**drawn | columns)


def slow_terms(output, batch):
    """The terms of the definition, element by element, in plain Python."""
    sums = dict.fromkeys(
        ("is_particle", "class", "log_pt", "log_energy", "eta", "sin_phi", "cos_phi"), 0.0
    )
    column = TargetColumn
    num_targets = 0
    for i in range(len(batch)):
        target = [float(v) for v in batch.targets[i]]
        element_pt, element_energy = float(batch.features[i, 1]), float(batch.features[i, 5])
        kind = int(target[column.CLASS])
        probability = 1 / (1 + math.exp(-float(output.is_particle_logit[i])))
        sums["is_particle"] -= math.log(probability if kind else 1 - probability)
        if not kind:
            continue
        num_targets += 1
        weights = [math.exp(float(v)) for v in output.class_logits[i]]
        p = weights[kind - 1] / sum(weights)
        sums["class"] -= (1 - p) ** 2 * math.log(p)
        weight = math.sqrt(target[column.PT])
        log_pt = math.log(target[column.PT] / element_pt)
        log_energy = math.log(target[column.ENERGY] / element_energy)
        sums["log_pt"] += weight * (float(output.log_pt_ratio[i]) - log_pt) ** 2
        sums["log_energy"] += weight * (float(output.log_energy_ratio[i]) - log_energy) ** 2
        for name in ("eta", "sin_phi", "cos_phi"):
            sums[name] += (float(getattr(output, name)[i]) - target[column[name.upper()]]) ** 2
    n, m = len(batch), num_targets
    scale = {"is_particle": 10 / n, "class": 1 / n, "log_pt": 1 / m, "log_energy": 1 / m,
             "eta": 0.01 / m, "sin_phi": 0.01 / m, "cos_phi": 0.01 / m}  # fmt: skip
    return {name: value * scale[name] for name, value in sums.items()}


def slow_local_sum(output, batch, radius, is_listed):
    """Double loop over the elements of each event."""
    features, targets = batch.features.double().numpy(), batch.targets.double().numpy()
    phi = np.arctan2(features[:, 3], features[:, 4])
    total = weights = 0.0
    for i in range(len(batch)):
        excess = expected = 0.0
        for j in np.flatnonzero(batch.event_index.numpy() == int(batch.event_index[i])):
            delta_phi = abs(phi[i] - phi[j])
            delta_phi = min(delta_phi, 2 * math.pi - delta_phi)
            delta_eta = features[i, 2] - features[j, 2]
            kernel = math.exp(-(delta_eta**2 + delta_phi**2) / (2 * radius**2))
            probability = 1 / (1 + math.exp(-float(output.is_particle_logit[j])))
            count = float(probability > 0.5) if is_listed else probability
            ratio = 0.0 if features[j, 0] == 1 else float(output.log_pt_ratio[j])
            target_pt = targets[j, TargetColumn.PT]
            excess += kernel * (count * features[j, 1] * math.exp(ratio) - target_pt)
            expected += kernel * target_pt
        pull = abs(excess / math.sqrt(1 + expected))
        distance = 0.5 * pull**2 / 0.3 if pull < 0.3 else pull - 0.15
        total += features[i, 1] * distance
        weights += features[i, 1]
    return total / weights


def test_the_terms_agree_with_their_definition(labelled_batch):
    output = random_output(labelled_batch)
    terms = loss_terms(output, labelled_batch, LossConfig(expected_sum=0.0, listed_sum=0.0))
    expected = slow_terms(output, labelled_batch)
    assert means(terms) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("radius", [0.2, 1.0])
def test_the_local_sums_agree_with_their_definition(labelled_batch, radius):
    output = random_output(labelled_batch)
    sums = local_sum_losses(output, labelled_batch, radius)
    for loss, is_listed in ((sums.expected, False), (sums.listed, True)):
        expected = slow_local_sum(output, labelled_batch, radius, is_listed)
        assert float(loss.mean) == pytest.approx(expected, rel=1e-4)


def test_the_gradient_of_the_listed_sum_moves_probabilities_towards_the_targets(
    labelled_batch, perfect_output
):
    """The probability rises for a cluster missing from the list and falls for a fake one."""
    output = perfect_output(labelled_batch)
    has_target = labelled_batch.targets[:, TargetColumn.CLASS] > 0
    for missing, sign in ((True, -1.0), (False, 1.0)):
        logit = torch.where(has_target, 0.5, -0.5)
        row = int(torch.nonzero(labelled_batch.is_cluster & (has_target == missing)).flatten()[0])
        logit[row] = sign * 0.5
        logit.requires_grad_()
        loss = local_sum_losses(replace(output, is_particle_logit=logit), labelled_batch, 0.2)
        (gradient,) = torch.autograd.grad(loss.listed.mean, logit)
        assert float(loss.listed.mean.detach()) > 0
        assert math.copysign(1.0, float(gradient[row])) == sign


def test_a_weight_scales_its_own_term_only(labelled_batch):
    output = random_output(labelled_batch)
    ones = LossConfig(expected_sum=1.0, listed_sum=1.0, missing_momentum=1.0)
    others = replace(ones, log_pt=3.0, listed_sum=2.0, missing_momentum=0.5)
    plain, weighted = (means(loss_terms(output, labelled_batch, c)) for c in (ones, others))
    factors = {name: weighted[name] / plain[name] for name in plain}
    expected = {**dict.fromkeys(plain, 1.0), "log_pt": 3.0, "listed_sum": 2.0}
    expected["missing_momentum"] = 0.5
    assert factors == pytest.approx(expected)


def test_a_perfect_network_has_no_loss(labelled_batch, perfect_output):
    terms = loss_terms(perfect_output(labelled_batch), labelled_batch, LossConfig())
    assert all(0 <= value < 1e-5 for value in means(terms).values())


def test_momentum_moved_to_a_near_cluster_changes_the_local_sums_little(
    labelled_batch, perfect_output
):
    """The loss is much smaller than for the same momentum lost."""
    batch = labelled_batch
    output = perfect_output(batch)
    phi = torch.atan2(batch.features[:, 3], batch.features[:, 4])
    is_neutral = batch.is_cluster & (batch.targets[:, TargetColumn.CLASS] > 0)
    source = int(torch.nonzero(is_neutral).flatten()[0])
    target = next(
        int(i) for i in torch.nonzero(is_neutral).flatten()
        if batch.event_index[i] == batch.event_index[source] and int(i) != source
    )  # fmt: skip
    features = batch.features.clone()
    features[target, 2] = features[source, 2] + 0.01
    features[target, 3], features[target, 4] = torch.sin(phi[source]), torch.cos(phi[source])
    batch = replace(batch, features=features)

    def loss(moved, lost):
        ratio = output.log_pt_ratio.clone()
        pt = batch.targets[:, TargetColumn.PT]
        ratio[source] += torch.log1p(-(moved + lost) / pt[source])
        ratio[target] += torch.log1p(moved / pt[target])
        return float(local_sum_losses(replace(output, log_pt_ratio=ratio), batch, 0.2).listed.mean)

    amount = 0.5 * float(batch.targets[source, TargetColumn.PT])
    assert loss(amount, 0.0) < 0.1 * loss(0.0, amount)


def test_a_batch_without_targets_or_elements_has_a_finite_loss(labelled_batch):
    nothing = replace(labelled_batch, targets=torch.zeros_like(labelled_batch.targets))
    terms = loss_terms(random_output(nothing), nothing, LossConfig())
    assert all(math.isfinite(value) for value in means(terms).values())
    assert means(terms)["log_pt"] == 0
    rows = torch.zeros(0, dtype=torch.long)
    empty = replace(
        labelled_batch,
        features=labelled_batch.features[rows],
        targets=labelled_batch.targets[rows],
        is_pu=labelled_batch.is_pu[rows],
        event_index=rows,
        counts=(0,),
        event_id=rows.new_zeros(1),
        offsets=rows.new_zeros(2),
        gen_met=torch.zeros(1, 2),
        process_index=rows.new_zeros(1),
        event_weight=torch.ones(1),
    )
    terms = loss_terms(random_output(empty), empty, LossConfig())
    assert all(value == 0 for value in means(terms).values())


def test_the_sums_of_two_parts_of_a_batch_give_the_loss_of_the_whole(labelled_batch):
    """So the gradient does not depend on how a batch is divided over processes."""
    output = random_output(labelled_batch)
    config = LossConfig(missing_momentum=1.0)
    whole = means(loss_terms(output, labelled_batch, config))
    sums = TermSums()
    half = labelled_batch.num_events // 2
    for events in (range(half), range(half, labelled_batch.num_events)):
        rows = torch.isin(labelled_batch.event_index, torch.tensor(events))
        sums.add(loss_terms(part_of(output, rows), events_of(labelled_batch, events), config))
    assert sums.means() == pytest.approx(whole, rel=1e-4)


def part_of(output, rows):
    return replace(output, **{f.name: getattr(output, f.name)[rows] for f in fields(output)})


def events_of(batch, events):
    """The batch of some consecutive events."""
    rows = torch.isin(batch.event_index, torch.tensor(events))
    chosen = slice(events.start, events.stop)
    return replace(
        batch,
        features=batch.features[rows],
        targets=batch.targets[rows],
        is_pu=batch.is_pu[rows],
        event_index=batch.event_index[rows] - events.start,
        counts=batch.counts[chosen],
        event_id=batch.event_id[chosen],
        offsets=batch.offsets[events.start : events.stop + 1] - batch.offsets[events.start],
        gen_met=batch.gen_met[chosen],
        process_index=batch.process_index[chosen],
        event_weight=batch.event_weight[chosen],
    )


def test_an_event_of_weight_two_counts_as_two_events(labelled_batch):
    """Twice the weight of the second half gives the means of that half taken twice."""
    output = random_output(labelled_batch)
    config = LossConfig(missing_momentum=1.0)
    half = labelled_batch.num_events // 2
    weight = torch.ones(labelled_batch.num_events)
    weight[half:] = 2.0
    batch = replace(labelled_batch, event_weight=weight)
    weighted = means(loss_terms(output, batch, config, has_event_weights=True))
    sums = TermSums()
    for events in (range(half), *2 * [range(half, labelled_batch.num_events)]):
        rows = torch.isin(labelled_batch.event_index, torch.tensor(events))
        sums.add(loss_terms(part_of(output, rows), events_of(labelled_batch, events), config))
    assert weighted == pytest.approx(sums.means(), rel=1e-4)
    plain = means(loss_terms(output, batch, config))
    assert plain["log_pt"] != pytest.approx(weighted["log_pt"], rel=1e-3)


def test_the_loss_of_the_missing_momentum_agrees_with_its_definition(labelled_batch):
    output = random_output(labelled_batch)
    batch = labelled_batch
    probability = torch.sigmoid(output.is_particle_logit).double()
    features = batch.features.double()
    total = 0.0
    for event in range(batch.num_events):
        rows = torch.nonzero(batch.event_index == event).flatten().tolist()
        px = py = sum_pt = 0.0
        for i in rows:
            is_track = float(features[i, 0]) == 1
            ratio = 0.0 if is_track else float(output.log_pt_ratio[i])
            pt = float(probability[i]) * float(features[i, 1]) * math.exp(ratio)
            sin, cos = (
                (features[i, 3], features[i, 4])
                if is_track
                else (output.sin_phi[i], output.cos_phi[i])
            )
            px, py = px + pt * float(cos), py + pt * float(sin)
            sum_pt += float(batch.targets[i, TargetColumn.PT])
        for component, true in zip((px, py), batch.gen_met[event].tolist(), strict=True):
            pull = abs(component - true) / (0.5 * math.sqrt(1 + sum_pt))
            total += 0.5 * pull**2 if pull < 1 else pull - 0.5
    term = missing_momentum_loss(output, batch)
    assert float(term.mean) == pytest.approx(total / batch.num_events, rel=1e-4)


def shared_output(batch, seed=0):
    """Output of a network with a sharing head and random weights."""
    generator = torch.Generator().manual_seed(seed)
    model = MLPF(ModelConfig(dim=16, num_layers=1, num_heads=2, head="sharing", num_owners=6))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
        return model.eval().requires_grad_(False)(batch)


def random_shares(output, batch, seed=0):
    """Random shares of every cluster for two of its possible owners."""
    rng = np.random.default_rng(seed)
    cluster, owner, energy = [], [], []
    for row in torch.nonzero(batch.is_cluster).flatten().tolist():
        possible = output.pairs.owner[output.pairs.cluster == row].numpy()
        part = rng.uniform(0.1, 0.9)
        for row_of_owner, fraction in zip(
            rng.choice(possible, 2, replace=False), (part, 1 - part), strict=True
        ):
            cluster.append(row)
            owner.append(int(row_of_owner))
            energy.append(fraction * float(batch.features[row, 5]))
    return Shares(torch.tensor(cluster), torch.tensor(owner), torch.tensor(energy))


@pytest.fixture(scope="module")
def shared(labelled_batch):
    output = shared_output(labelled_batch)
    return output, replace(labelled_batch, shares=random_shares(output, labelled_batch))


def test_the_share_loss_is_the_cross_entropy_weighted_with_energy(shared):
    output, batch = shared
    keys = zip(output.pairs.cluster.tolist(), output.pairs.owner.tolist(), strict=True)
    log_share = dict(zip(keys, output.log_share.tolist(), strict=True))
    loss = total = 0.0
    for cluster, owner, energy in zip(*(x.tolist() for x in batch.shares), strict=True):
        loss -= energy * log_share[cluster, owner]
        total += energy
    terms = loss_terms(output, batch, LossConfig(share=3.0))
    assert means(terms)["share"] == pytest.approx(3.0 * loss / total, rel=1e-4)


def test_the_true_shares_have_the_smallest_loss(shared):
    output, batch = shared
    true = output.true_share(batch.shares)
    best = replace(output, log_share=true.clamp(min=1e-12).log())
    least = share_loss(best, true, batch)
    for seed in range(3):
        other = shared_output(batch, seed)
        assert float(share_loss(other, true, batch).mean) > float(least.mean)


def test_the_momentum_terms_use_the_true_shares(shared):
    """The predicted shares do not enter the momentum terms."""
    output, batch = shared
    moved = replace(output, log_share=output.log_share.flip(0))
    terms, others = (means(loss_terms(o, batch, LossConfig())) for o in (output, moved))
    for name in ("log_pt", "log_energy", "eta"):
        assert terms[name] == pytest.approx(others[name], rel=1e-6)
        assert terms[name] > 0
    assert terms["share"] != pytest.approx(others["share"], rel=1e-3)


def test_the_local_sums_do_not_multiply_shared_momenta_by_probabilities(shared):
    """Shared momenta are expectations; a list divides the energy among its members."""
    output, batch = shared
    is_track = batch.is_track.numpy()
    probability = torch.sigmoid(output.is_particle_logit).numpy()
    of_list = output.listed((output.is_particle_logit > 0).float())
    for shares, count, term in (
        (output, np.where(is_track, probability, 1.0), "expected"),
        (of_list, np.where(is_track, probability > 0.5, 1.0), "listed"),
    ):
        certain = torch.from_numpy(count).float().clamp(1e-7, 1 - 1e-7).logit()
        direct = Output(
            **{f.name: getattr(shares, f.name) for f in fields(Output)}
            | {"is_particle_logit": certain}
        )
        expected = local_sum_losses(direct, batch, 0.2).expected
        found = getattr(local_sum_losses(output, batch, 0.2), term)
        assert float(found.mean) == pytest.approx(float(expected.mean), rel=1e-4)


def test_the_background_term_is_the_mean_cross_entropy_over_the_targets(labelled_batch):
    number = len(labelled_batch)
    logit = torch.linspace(-3.0, 3.0, number)
    is_pu = torch.arange(number) % 3 == 0
    weight = torch.linspace(0.5, 2.0, labelled_batch.num_events)
    batch = replace(labelled_batch, is_pu=is_pu, event_weight=weight)
    output = replace(random_output(batch), background_logit=logit[:, None])
    total = sum_of_weights = 0.0
    for i in range(number):
        if batch.targets[i, TargetColumn.CLASS] > 0:
            probability = 1 / (1 + math.exp(-float(logit[i])))
            weight_of_event = float(weight[batch.event_index[i]])
            total -= weight_of_event * math.log(probability if is_pu[i] else 1 - probability)
            sum_of_weights += weight_of_event
    terms = means(loss_terms(output, batch, LossConfig(is_pu=2.5), has_event_weights=True))
    assert terms["is_pu"] == pytest.approx(2.5 * total / sum_of_weights, rel=1e-5)


def test_there_is_no_background_term_for_a_network_that_does_not_predict_it(labelled_batch):
    batch = replace(labelled_batch, is_pu=None)
    assert "is_pu" not in loss_terms(random_output(batch), batch, LossConfig())


def test_events_that_do_not_tell_the_background_are_refused_for_its_prediction(labelled_batch):
    batch = replace(labelled_batch, is_pu=None)
    output = replace(random_output(batch), background_logit=torch.zeros(len(batch), 1))
    with pytest.raises(DataError, match="do not tell which targets are from overlaid background"):
        loss_terms(output, batch, LossConfig())


def test_events_without_shares_are_refused_for_a_sharing_head(labelled_batch):
    output = shared_output(labelled_batch)
    with pytest.raises(DataError, match="no energy shares"):
        loss_terms(output, replace(labelled_batch, shares=None), LossConfig())
