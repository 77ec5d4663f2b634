"""Drawings by matplotlib made part of a page: small, and without reach beyond themselves.

Matplotlib names every group, draws and dresses each tick by itself, writes six decimals and
spells formulas letter by letter. Without all this a drawing is a quarter of its size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from partflow.report.html import Markup

DECIMALS = 2  # of a point, 1/72 inch: a figure enlarged to the whole screen is true to the pixel
DROPPED = ("metadata", "style")
POSITIONS = ("d", "x", "y", "width", "height", "transform", "points")
"""Attributes that hold positions; `transform` moves and turns, and scales nothing."""


def svg_drawing(svg: str, prefix: str, description: str) -> Markup:
    """A drawing by matplotlib, its text left as text, as part of a page.

    `prefix` begins its ids, and must begin no other drawing's. Lines of a set of candidates,
    which the drawing calls `set-N`, become the class of that name, legends the class `legend`.
    What would reach beyond the drawing is removed: other ids, style sheets, comments, metadata.
    """
    root = ElementTree.fromstring(svg)
    for one in root.iter():
        one.tag = _plain(one.tag)
        one.attrib = {_plain(name): value for name, value in one.attrib.items()}
        is_text = one.tag in ("text", "tspan") and not len(one)
        one.text, one.tail = (one.text if is_text else None), None
    _remove(root, lambda one: one.tag in DROPPED)
    for text in root.iter("text"):
        _join_letters(text)
    _rename(root, prefix)
    _share_looks(root)
    for one in root.iter():
        if re.match(r"rotate\(-?0 ", one.get("transform", "")):
            del one.attrib["transform"]
        for name in POSITIONS:
            if name in one.attrib:
                one.set(name, _shorter(one.attrib[name]))
    _unwrap(root)
    _join_ticks(root)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    # The style is what matplotlib's style sheet says, for this drawing alone.
    root.attrib = {
        "role": "img",
        "aria-label": description,
        "style": "stroke-linejoin:round;stroke-linecap:butt",
        **root.attrib,
    }
    return Markup(ElementTree.tostring(root, encoding="unicode").replace(" />", "/>"))


def _plain(name: str) -> str:
    """A name without its namespace, which HTML knows by itself."""
    return name.rpartition("}")[2]


def _remove(parent: Element, is_unwanted: Callable[[Element], bool]) -> None:
    for child in list(parent):
        if is_unwanted(child):
            parent.remove(child)
        else:
            _remove(child, is_unwanted)


def _rename(root: Element, prefix: str) -> None:
    """Short ids for what is referred to, classes for sets and legends, nothing for the rest."""
    used = {name: f"{prefix}-{place}" for place, name in enumerate(dict.fromkeys(_referred(root)))}
    for one in root.iter():
        name = one.attrib.pop("id", "")
        if re.fullmatch(r"set-\d+", name):
            one.set("class", f"set {name}")
        elif name.startswith("legend_"):
            one.set("class", "legend")
        elif name in used:
            one.set("id", used[name])
        for key, value in one.attrib.items():
            found = _reference(key, value)
            if found:
                one.set(key, value.replace(f"#{found}", f"#{used[found]}"))


def _referred(root: Element) -> Iterator[str]:
    for one in root.iter():
        for key, value in one.attrib.items():
            if found := _reference(key, value):
                yield found


def _reference(key: str, value: str) -> str:
    """The id that an attribute refers to, or nothing."""
    if key == "href" and value.startswith("#"):
        return value[1:]
    found = re.fullmatch(r"url\(#([^)]*)\)", value)
    return found[1] if found else ""


def _share_looks(root: Element) -> None:
    """Drop from each use of a shape what the shape says of itself already, which wins anyway."""
    own = {f"#{one.get('id')}": _looks(one) for one in root.iter() if "id" in one.attrib}
    for one in root.iter():
        looks = _looks(one)
        said = own.get(one.get("href", ""), {}) if one.tag == "use" else {}
        kept = {name: look for name, look in looks.items() if name not in said}
        if one.tag in ("text", "tspan"):
            kept.pop("font-family", None)  # the page's style sheet gives it
        if kept:
            one.set("style", ";".join(f"{name}:{look}" for name, look in kept.items()))
        else:
            one.attrib.pop("style", None)


def _looks(one: Element) -> dict[str, str]:
    pairs = (part.partition(":") for part in one.get("style", "").split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _shorter(positions: str) -> str:
    """The same positions with fewer decimals and blanks.

    >>> _shorter("M 53.860239 7 L 1.996 -0.001 z")
    'M53.86 7L2 0z'
    """
    rounded = re.sub(r"-?\d+\.\d+(?:e-?\d+)?", lambda found: _rounded(found[0]), positions)
    return re.sub(r"\s*([A-Za-z(),])\s*", r"\1", " ".join(rounded.split()))


def _rounded(number: str) -> str:
    value = round(float(number), DECIMALS)
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".") if value else "0"


def _unwrap(parent: Element) -> None:
    """Put what stands in groups that say nothing where those groups stood."""
    for child in parent:
        _unwrap(child)
    children: list[Element] = []
    for child in parent:
        is_group = child.tag in ("g", "defs") and not child.attrib
        children += list(child) if is_group and (child.tag == "g" or not len(child)) else [child]
    parent[:] = children


def _join_ticks(root: Element) -> None:
    """Marks of one stroke, drawn here and there, as one path; points of sets stay points."""
    strokes = {}
    for one in root.iter("path"):
        found = re.fullmatch(r"M0 0L(\S+ \S+)", one.get("d", ""))
        if found and "id" in one.attrib:
            strokes[f"#{one.get('id')}"] = (found[1], one.get("style", ""))
    drawn: set[str] = set()
    for group in [one for one in root.iter() if "set" not in one.get("class", "").split()]:
        paths: dict[str, Element] = {}
        children = []
        for child in group:
            shape = child.get("href", "")
            if shape not in strokes or set(child.attrib) != {"href", "x", "y"}:
                children.append(child)
                continue
            stroke, style = strokes[shape]
            if shape not in paths:
                paths[shape] = Element("path", {"d": "", "style": style})
                children.append(paths[shape])
            here = f"M{child.get('x')} {child.get('y')}l{stroke}"
            paths[shape].set("d", paths[shape].get("d", "") + here)
            drawn.add(shape)
        group[:] = children
    left = {one.get("href") for one in root.iter("use")}
    gone = {shape.removeprefix("#") for shape in drawn - left}
    _remove(root, lambda one: one.tag == "path" and one.get("id") in gone)
    _remove(root, lambda one: one.tag == "defs" and not len(one))


def _join_letters(text: Element) -> None:
    """Formulas as runs of letters of one look on one line, for a font of other widths."""
    runs: list[Element] = []
    for letter in sorted(text, key=lambda one: float(one.get("x", "0").split()[0])):
        if runs and all(runs[-1].get(key) == letter.get(key) for key in ("style", "y")):
            runs[-1].text = f"{runs[-1].text}{letter.text}"
        else:
            runs.append(letter)
    text[:] = runs
