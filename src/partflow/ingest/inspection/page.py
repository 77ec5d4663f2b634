"""The result of an inspection on a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from partflow.ingest.inspection.result import Inspection


def render(inspection: Inspection) -> RenderableType:
    """Facts, parts, collections, classes, provenance and warnings, one below the other."""
    sections: list[RenderableType] = [_facts(inspection)]
    if inspection.parts:
        sections += [Text(), _parts(inspection)]
    if inspection.objects:
        sections += [Text(), _objects(inspection)]
    if inspection.classes:
        sections += [Text(), _classes(inspection)]
    if inspection.provenance:
        sections += [Text(), _provenance(inspection)]
    sections += [Text(f"! {warning}", style="yellow") for warning in inspection.warnings]
    return Group(*sections)


def _facts(inspection: Inspection) -> Table:
    """Path, kind, number of events, details, and commands."""
    table = Table.grid(padding=(0, 2))
    table.add_row("path", str(inspection.path))
    table.add_row("is", inspection.kind)
    if inspection.num_events is not None:
        files = "" if inspection.num_files == 1 else f" in {inspection.num_files} files"
        table.add_row("events", f"{inspection.num_events:,}{files}")
    for name, value in inspection.details.items():
        table.add_row(name, value)
    for number, command in enumerate(inspection.commands):
        table.add_row("" if number else "read by", command)
    return table


def _parts(inspection: Inspection) -> Table:
    """Each output in a folder, with the verbs that read it."""
    table = Table("part", "is", "events", "read by partflow ...", box=None, header_style="bold")
    table.columns[0].overflow = "fold"
    table.columns[2].justify = "right"
    for part in inspection.parts:
        number = "" if part.num_events is None else f"{part.num_events:,}"
        path = str(part.path.relative_to(inspection.path))
        table.add_row(path, part.title, number, ", ".join(part.verbs))
    table.caption = "partflow inspect PATH/PART shows more of each part"
    return table


def _objects(inspection: Inspection) -> Table:
    """Mean number of objects of each collection."""
    table = Table("collection", "in an event", box=None, header_style="bold")
    table.columns[1].justify = "right"
    for name, mean in inspection.objects.items():
        table.add_row(name, f"{mean:,.1f}")
    table.caption = _sample(inspection)
    return table


def _classes(inspection: Inspection) -> Table:
    """Number of particles of each class, collection by collection."""
    labels = list(dict.fromkeys(c for row in inspection.classes.values() for c in row))
    table = Table("classes", *labels, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in inspection.classes.items():
        table.add_row(name, *(f"{row[c]:,}" if c in row else "" for c in labels))
    return table


def _provenance(inspection: Inspection) -> Table:
    """Stage, version, commit, seed and inputs."""
    provenance = inspection.provenance or {}
    table = Table.grid(padding=(0, 2))
    for name in ("stage", "version", "commit", "seed"):
        if provenance.get(name) not in (None, ""):
            table.add_row(name, str(provenance[name]))
    inputs = list(provenance.get("inputs", {}))
    if inputs:
        more = f" and {len(inputs) - 3} more" if len(inputs) > 3 else ""
        table.add_row("inputs", ", ".join(inputs[:3]) + more)
    return table


def _sample(inspection: Inspection) -> str:
    """Which events the numbers are of."""
    if inspection.num_sampled == inspection.num_events:
        return "all events"
    return f"the first {inspection.num_sampled:,} events"
