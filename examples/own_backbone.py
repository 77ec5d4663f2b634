"""A backbone of one's own: each element gets messages from the mean of its event, through a gate.

export PYTHONPATH=examples
partflow train labelled/ --output run/ --backbone own_backbone:GatedMean
partflow reconstruct events/ --model run/ --output mlpf.parquet --backbone own_backbone:GatedMean
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from partflow.model.config import ModelConfig
from partflow.model.layout import EventRows


class GatedMean(nn.Module):
    """x <- x + sigmoid(gate(x)) output(mean of message(x) over the event), in every layer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        gate_bias = config.backbone_options.get(
            "gate_bias", 0.0
        )  # --backbone-options, a JSON object
        names = ("gate", "message", "output")
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: nn.Linear(config.dim, config.dim) for name in names})
            for _ in range(config.num_layers)
        )
        for layer in self.layers:
            nn.init.constant_(layer["gate"].bias, gate_bias)
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor, events: Sequence[EventRows]) -> Tensor:
        """Representation [element, dim] of the packed elements `x`; `events` are their rows."""
        sizes = torch.tensor([event.end - event.begin for event in events], device=x.device)
        event_index = torch.arange(len(sizes), device=x.device).repeat_interleave(sizes)
        for layer in self.layers:
            message = nn.functional.gelu(layer["message"](x))
            total = x.new_zeros(len(sizes), x.shape[1]).index_add(0, event_index, message)
            mean = layer["output"](total / sizes[:, None])
            x = x + torch.sigmoid(layer["gate"](x)) * mean[event_index]
        return self.norm(x)
