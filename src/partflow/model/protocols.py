"""What a backbone and a head must do, whether they are built in or the user's own.

Both are `torch.nn.Module`s. The events of a batch are *packed*: the elements of all events lie one
after the other in the rows of one tensor, without padding, tracks before clusters in each event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from partflow.model.config import ModelConfig
from partflow.model.heads import Output
from partflow.model.layout import EventRows, Layout


class BackboneProtocol(Protocol):
    """The part in which the elements of an event exchange information.

    It is constructed from the configuration of the network, of which `backbone_options` are its
    own. Rows of different events must not affect each other. It is never called without elements:
    where a batch has none, as the part of one process of a training may have, `MLPF` leaves it out
    and gives its weights gradients of 0. Two attributes are optional:

    - `needs_distances = True`: it is called with a third argument, the distances between the
      elements of each event [mm], one matrix for each event of `events`.
    - `attention_weights(x, events)`: attention weights [head, query, key], a list of layers, each a
      list of events. Without it, `reconstruct --save-attention` is refused.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Make a backbone of width `config.dim`, with weights from torch's generator."""

    def __call__(
        self, x: Float[Tensor, "element dim"], events: Sequence[EventRows]
    ) -> Float[Tensor, "element dim"]:
        """Representation of every element; `events` cover all rows of `x` in order. There is at
        least one, and none is empty.
        """


class HeadProtocol(Protocol):
    """The part that predicts particles from the representations and inputs of the elements.

    It is constructed from the configuration of the network, of which `head_options` are its own.
    `model.heads.decode` makes an `Output` of the columns of `model.heads.TypeHeads`, which predict
    background if they are made with `has_background=config.predict_background`. One attribute is
    optional:

    - `shares_energy = True`: the output is a `model.sharing.SharingOutput`, and `reconstruct`
      writes its shares.
    """

    def __init__(self, config: ModelConfig, num_track_inputs: int, num_cluster_inputs: int) -> None:
        """Make a head for rows of these widths, with weights from torch's generator."""

    def __call__(
        self,
        tracks: Float[Tensor, "track track_input"],
        clusters: Float[Tensor, "cluster cluster_input"],
        features: Float[Tensor, "element feature"],
        rows: Layout,
    ) -> Output:
        """Predictions for every element, in the order of `features`.

        `tracks` and `clusters` are the representation of each, followed by its standardised inputs;
        `rows` says which rows of the batch they are.
        """
