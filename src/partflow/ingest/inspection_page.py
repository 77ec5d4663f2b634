"""An inspection as a page on the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from partflow.ingest.inspection import Inspection


def render(inspection: Inspection) -> RenderableType:
    """Facts, collections, classes, provenance and warnings, one below the other."""
    parts: list[RenderableType] = [_facts(inspection)]
    if inspection.objects:
        parts += [Text(), _objects(inspection)]
    if inspection.classes:
        parts += [Text(), _classes(inspection)]
    if inspection.provenance:
        parts += [Text(), _provenance(inspection)]
    parts += [Text(f"! {warning}", style="yellow") for warning in inspection.warnings]
    return Group(*parts)


def _facts(inspection: Inspection) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("path", str(inspection.path))
    table.add_row("is", inspection.kind)
    if inspection.num_events is not None:
        files = "" if inspection.num_files == 1 else f" in {inspection.num_files} files"
        table.add_row("events", f"{inspection.num_events:,}{files}")
    for name, value in inspection.details.items():
        table.add_row(name, value)
    return table


def _objects(inspection: Inspection) -> Table:
    table = Table("collection", "in an event", box=None, header_style="bold")
    table.columns[1].justify = "right"
    for name, mean in inspection.objects.items():
        table.add_row(name, f"{mean:,.1f}")
    table.caption = _sampled(inspection)
    return table


def _classes(inspection: Inspection) -> Table:
    labels = list(dict.fromkeys(c for row in inspection.classes.values() for c in row))
    table = Table("classes", *labels, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in inspection.classes.items():
        table.add_row(name, *(f"{row[c]:,}" if c in row else "" for c in labels))
    return table


def _provenance(inspection: Inspection) -> Table:
    record = inspection.provenance or {}
    table = Table.grid(padding=(0, 2))
    for name in ("stage", "version", "commit", "seed"):
        if record.get(name) not in (None, ""):
            table.add_row(f"made by {name}" if name == "stage" else name, str(record[name]))
    inputs = list(record.get("inputs", {}))
    if inputs:
        more = f" and {len(inputs) - 3} more" if len(inputs) > 3 else ""
        table.add_row("inputs", ", ".join(inputs[:3]) + more)
    return table


def _sampled(inspection: Inspection) -> str:
    if inspection.num_sampled == inspection.num_events:
        return "all events"
    return f"the first {inspection.num_sampled:,} events"
