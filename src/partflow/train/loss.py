"""The training loss, term by term.

The following terms are those of the published MLPF v2.2.0 (arXiv:2503.00131), for N elements and
n elements with a target in the batch:

    is_particle  10/N  sum over elements of CE(is there a particle)
    class         1/N  sum over targets of (1 - p)^2 (-log p), p = probability of the true class
    log_pt        1/n  sum over targets of sqrt(target pt) (log pt - log target pt)^2
    log_energy    1/n  sum over targets of sqrt(target pt) (log E - log target E)^2
    eta, sin_phi, cos_phi
               0.01/n  sum over targets of the squared difference

Two further terms, the local sums, are specific to this package. The terms above compare each
element with its own target, but a jet is a sum of particles: an error of one cluster can be
compensated by its neighbour. So the transverse momentum around every element, smoothed by a
Gaussian in delta_r, is compared with the true one (`local_sum_losses`), once for either readout:

    expected_sum  the momentum of every cluster is multiplied by its probability
    listed_sum    the momentum of a cluster counts if its probability is above 1/2, else not

The second teaches the clusters that become candidates to include the energy of those that do not.
A step function has no gradient, so the gradient with respect to the probability is that of the
first ("straight-through estimator", arXiv:1308.3432). Measured after 28k training events (preset
small, four minutes on one core; 2100 test events of ttbar, qq and ww), width of the jet response
relative to that of the rule-based baseline, +-0.018:

    readout          threshold   expectation
    expected_sum       0.999        0.884
    both               0.923        0.879

On other simulated events, the jet response without either sum was 4 % (threshold) and 8 %
(expectation) wider than with the first sum.

A network with a sharing head has one more term:

    share       1/E  sum over clusters and owners of E_ij (-log s_ij), E = sum of E_ij

where E_ij is the labelled energy of owner i in cluster j. Its momentum terms are computed for
clusters that are divided as the labels say, its local sums for the predicted shares
(`model.sharing`). After 14k training events (preset tiny; 2100 test events as above; +-0.015):

    readout                 threshold   expectation
    direct                    1.045        1.026
    sharing, weight  5        0.912        0.896
    sharing, weight 15        0.898        0.886

A network that predicts overlaid background (`ModelConfig.predict_background`) has the term

    is_pu       1/n  sum over targets of CE(is the target from overlaid background)

The momentum terms of tracks have little effect, since tracks measure their momentum to some per
mille and keep it in the readout. They are included for comparability with the published loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from partflow.core.errors import DataError
from partflow.core.features import TrackFeature
from partflow.dataset.batches import LabelledBatch
from partflow.dataset.columns import TargetColumn
from partflow.model.heads import Output, reference_energy, reference_pt
from partflow.model.sharing import SharingOutput
from partflow.train.config import LossConfig
from partflow.train.metrics import expected_momentum
from partflow.train.terms import Term, Terms

MIN_TARGET = 1e-6
"""Lower limit of a target's pt and energy [GeV], which keeps their logarithms finite."""


def loss_terms(
    output: Output, batch: LabelledBatch, config: LossConfig, *, has_event_weights: bool = False
) -> Terms:
    """Terms of the loss of one batch; all are 0 if it has no elements.

    With `has_event_weights` every event counts with its weight (`LabelledBatch.event_weight`).
    Raises DataError for the output of a sharing head if the batch has no energy shares, and for
    predictions of background if it has no `is_pu`.
    """
    logit = output.is_particle_logit
    weight = batch.event_weight[batch.event_index] if has_event_weights else torch.ones_like(logit)
    has_target = batch.targets[:, TargetColumn.CLASS] > 0
    rows = torch.nonzero(has_target).flatten()
    num_elements = weight.sum()
    is_particle = F.binary_cross_entropy_with_logits(
        logit, has_target.to(logit), weight=weight, reduction="sum"
    )
    of_class = focal_losses(
        output.class_logits[rows],
        batch.targets[rows, TargetColumn.CLASS].long() - 1,
        config.focal_gamma,
    )
    terms = {
        "is_particle": Term(config.is_particle * is_particle, num_elements),
        "class": Term(config.particle_class * (weight[rows] * of_class).sum(), num_elements),
    }
    if output.background_logit.shape[1]:
        terms["is_pu"] = background_loss(output, batch, rows, weight).scaled(config.is_pu)
    if isinstance(output, SharingOutput):
        true_share = _true_share(output, batch)
        terms["share"] = share_loss(output, true_share, batch, weight).scaled(config.share)
        rows = rows[_has_energy(output, true_share, batch)[rows]]
        terms |= _momentum_terms(output.with_shares(true_share), batch, rows, weight, config)
    else:
        terms |= _momentum_terms(output, batch, rows, weight, config)
    if config.expected_sum > 0 or config.listed_sum > 0:
        sums = local_sum_losses(output, batch, config.sum_radius, weight)
        weights = {"expected": config.expected_sum, "listed": config.listed_sum}
        terms |= {f"{n}_sum": getattr(sums, n).scaled(w) for n, w in weights.items() if w > 0}
    if config.missing_momentum > 0:
        of_events = batch.event_weight if has_event_weights else None
        term = missing_momentum_loss(output, batch, of_events)
        terms["missing_momentum"] = term.scaled(config.missing_momentum)
    return terms


def background_loss(
    output: Output,
    batch: LabelledBatch,
    rows: Int[Tensor, " target"],
    element_weight: Float[Tensor, " element"],
) -> Term:
    """Mean cross-entropy of the background probability over the elements `rows`, which have a
    target.
    """
    if batch.is_pu is None:
        raise DataError(
            "some of the labelled events do not tell which targets are from overlaid background; "
            "label the events again with --overwrite, or train without --predict-background"
        )
    logit, weight = output.background_logit[rows, 0], element_weight[rows]
    total = F.binary_cross_entropy_with_logits(
        logit, batch.is_pu[rows].to(logit), weight=weight, reduction="sum"
    )
    return Term(total, weight.sum())


def share_loss(
    output: SharingOutput,
    true_share: Float[Tensor, " pair"],
    batch: LabelledBatch,
    element_weight: Float[Tensor, " element"] | None = None,
) -> Term:
    """Energy-weighted mean of the cross-entropy between true and predicted shares.

    `true_share` are fractions of the energy of the clusters, for the pairs of `output`;
    `element_weight` is the weight of each element's event (1 if None).
    """
    energy = reference_energy(batch.features)
    if element_weight is not None:
        energy = energy * element_weight
    energy = energy[output.pairs.cluster] * true_share
    return Term(-(energy * output.log_share).sum(), energy.sum())


def missing_momentum_loss(
    output: Output, batch: LabelledBatch, event_weight: Float[Tensor, " event"] | None = None
) -> Term:
    """Mean over events of the smooth-L1 loss of the missing transverse momentum.

    It compares both components of the expected momentum of an event with those of its visible
    particles, in units of 0.5 sqrt(sum of pt) [GeV], about the resolution of the missing momentum.
    """
    expected = expected_momentum(output, batch)[:, :2]
    summed = expected.new_zeros(batch.num_events, 2).index_add(0, batch.event_index, expected)
    target_pt = batch.targets[:, TargetColumn.PT]
    sum_pt = target_pt.new_zeros(batch.num_events).index_add(0, batch.event_index, target_pt)
    pull = (summed - batch.gen_met) / (0.5 * (1.0 + sum_pt).sqrt())[:, None]
    losses = F.smooth_l1_loss(pull, torch.zeros_like(pull), reduction="none").sum(1)
    weight = torch.ones_like(losses) if event_weight is None else event_weight
    return Term((weight * losses).sum(), weight.sum())


def _true_share(output: SharingOutput, batch: LabelledBatch) -> Tensor:
    """True shares of the pairs of `output`, [pair]."""
    if batch.shares is None:
        raise DataError(
            "the labelled events have no energy shares, which the head 'sharing' needs; label them "
            "again, or train with --head direct"
        )
    return output.true_share(batch.shares)


def _has_energy(output: SharingOutput, true_share: Tensor, batch: LabelledBatch) -> Tensor:
    """Whether each element is a track, or a cluster to which some share is assigned, [element]."""
    pairs = output.pairs
    assigned = torch.nonzero(pairs.owner >= 0).flatten()
    share_sum = torch.zeros(len(batch), dtype=true_share.dtype, device=true_share.device)
    share_sum = share_sum.index_add(0, pairs.owner[assigned], true_share[assigned])
    return batch.is_track | (share_sum > 0)


def focal_losses(
    logits: Float[Tensor, "target kind"], class_index: Int[Tensor, " target"], gamma: float
) -> Float[Tensor, " target"]:
    """Focal loss (arXiv:1708.02002) of each target: (1 - p)^gamma (-log p)."""
    log_probability = F.log_softmax(logits, 1).gather(1, class_index[:, None])[:, 0]
    return -((1.0 - log_probability.exp()) ** gamma * log_probability)


def _momentum_terms(
    output: Output,
    batch: LabelledBatch,
    rows: Int[Tensor, " target"],
    element_weight: Float[Tensor, " element"],
    config: LossConfig,
) -> Terms:
    """Squared errors of the momenta of the elements `rows`, which have a target."""
    features, targets = batch.features[rows], batch.targets[rows]
    column = TargetColumn
    target_pt = targets[:, column.PT].clamp(min=MIN_TARGET)
    target_energy = targets[:, column.ENERGY].clamp(min=MIN_TARGET)
    weight = element_weight[rows]
    weight_of_ratio = weight * target_pt.sqrt()
    log_pt_error = output.log_pt_ratio[rows] - (target_pt / reference_pt(features)).log()
    log_energy_error = (
        output.log_energy_ratio[rows] - (target_energy / reference_energy(features)).log()
    )
    num_targets = weight.sum()
    sums = {
        "log_pt": config.log_pt * (weight_of_ratio * log_pt_error.square()).sum(),
        "log_energy": config.log_energy * (weight_of_ratio * log_energy_error.square()).sum(),
    }
    for name, index in (
        ("eta", column.ETA),
        ("sin_phi", column.SIN_PHI),
        ("cos_phi", column.COS_PHI),
    ):
        error = getattr(output, name)[rows] - targets[:, index]
        sums[name] = config.angle * (weight * error.square()).sum()
    return {name: Term(total, num_targets) for name, total in sums.items()}


class LocalSums(NamedTuple):
    """Losses of the local sums of transverse momentum; see `local_sum_losses`."""

    expected: Term
    listed: Term


def local_sum_losses(
    output: Output,
    batch: LabelledBatch,
    radius: float,
    element_weight: Float[Tensor, " element"] | None = None,
) -> LocalSums:
    """Losses of the sums of transverse momentum around every element.

    For element i, with the kernel k_ij = exp(-delta_r_ij^2 / (2 radius^2)),

        S_i = sum_j k_ij (w_j pt_j - target pt_j) / sqrt(1 + T_i),  T_i = sum_j k_ij target pt_j

    in GeV, where w_j is the probability of the element (`expected`), or 1 if that is above 1/2
    and else 0 (`listed`). The square root makes S_i of the order of the resolution. The loss is
    the mean of the smooth-L1 loss of S_i over all elements, weighted with their pt and the weight
    of their event, `element_weight` (1 if None). Tracks enter with their measured momentum.
    """
    weight = reference_pt(batch.features)
    if element_weight is not None:
        weight = weight * element_weight
    probability = output.probability
    is_listed = (output.is_particle_logit > 0).to(probability)
    straight_through = is_listed + probability - probability.detach()
    is_track = batch.is_track
    expected = output.counted(probability, is_track) * _summed_pt(output, batch)
    output_of_list = output.listed(straight_through)
    weight_in_list = output_of_list.counted(straight_through, is_track)
    listed = weight_in_list * _summed_pt(output_of_list, batch)
    target_pt = batch.targets[:, TargetColumn.PT]
    difference = torch.stack([expected, listed], 1) - target_pt[:, None]
    sums = [difference.new_zeros(0, 3)]
    kernels = _neighbour_weights(batch.features, batch.counts, radius)
    summands = torch.cat([difference, target_pt[:, None]], 1)
    for kernel, summands_of_event in zip(kernels, summands.split(batch.counts), strict=True):
        sums.append(kernel @ summands_of_event)
    excess, target_sum = torch.cat(sums).split([2, 1], dim=1)
    pull = excess / (1.0 + target_sum).sqrt()
    distance = F.smooth_l1_loss(pull, torch.zeros_like(pull), beta=0.3, reduction="none")
    totals, weight_sum = (weight[:, None] * distance).sum(0), weight.sum()
    return LocalSums(Term(totals[0], weight_sum), Term(totals[1], weight_sum))


def _summed_pt(output: Output, batch: LabelledBatch) -> Float[Tensor, " element"]:
    """Predicted transverse momentum of each cluster, measured one of each track [GeV]."""
    ratio = torch.where(batch.is_track, 0.0, output.log_pt_ratio)
    return reference_pt(batch.features) * ratio.exp()


def _neighbour_weights(
    features: Float[Tensor, "element feature"], counts: Sequence[int], radius: float
) -> Iterator[Float[Tensor, "_ _"]]:
    """Yield exp(-delta_r^2 / (2 radius^2)) between all elements, one matrix for each event."""
    f = TrackFeature
    eta = features[:, f.ETA]
    phi = torch.atan2(features[:, f.SIN_PHI], features[:, f.COS_PHI])
    for eta_of_event, phi_of_event in zip(eta.split(counts), phi.split(counts), strict=True):
        delta_eta = eta_of_event[:, None] - eta_of_event
        delta_phi = phi_of_event[:, None] - phi_of_event
        delta_phi = torch.remainder(delta_phi + torch.pi, 2 * torch.pi) - torch.pi
        yield torch.exp((delta_eta.square() + delta_phi.square()) / (-2 * radius**2))
