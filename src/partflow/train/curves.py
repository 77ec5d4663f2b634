"""A picture of how the losses fell."""

from __future__ import annotations

from pathlib import Path

from partflow.core.outputs import replacing


def draw_losses(history: list[dict[str, float]], path: Path) -> None:
    """Total and single terms of the validation loss against events seen, to a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    seen = [row["events_seen"] for row in history]
    for name, style in (("training_loss", "k--"), ("validation_loss", "k-")):
        axes.plot(seen, [row[name] for row in history], style, label=name.replace("_", " "))
    prefix = "validation_"
    terms = [n for n in history[0] if n.startswith(prefix) and n != "validation_loss"]
    for name in terms:
        axes.plot(seen, [row[name] for row in history], linewidth=1, label=name[len(prefix) :])
    axes.set(xlabel="training events seen", ylabel="loss", yscale="log")
    axes.legend(fontsize="small", ncols=2)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
