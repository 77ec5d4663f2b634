"""Drawings by matplotlib as part of a page: small, and without side effects on the page.

Matplotlib gives every group an id, repeats the style of each tick, writes six decimals and sets
formulas letter by letter. Without all this a drawing is a quarter of its size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from markupsafe import Markup

DECIMALS = 2  # of a point, 1/72 inch: exact to the pixel when a figure fills the screen
DROPPED = ("metadata", "style")
POSITIONS = ("d", "x", "y", "width", "height", "transform", "points")
"""Attributes that hold positions; `transform` translates and rotates, but never scales."""
TEXT = ("text", "tspan")


class FontFace(NamedTuple):
    """Weight and style of a font."""

    weight: int = 400
    style: str = "normal"


def svg_drawing(svg: str, prefix: str, description: str) -> Markup:
    """A drawing by matplotlib as part of a page; its text stays text.

    Lines of a candidate set, whose id in the drawing is `set-N`, get the class of this name, and
    legends the class `legend`. Whatever could affect the rest of the page is removed: other ids,
    style sheets, comments, metadata.

    Args:
        svg: The drawing, from matplotlib with `svg.fonttype` `none`.
        prefix: Beginning of its ids; different for each drawing of a page.
        description: Text for readers who cannot see the drawing.
    """
    root = ElementTree.fromstring(svg)
    for node in root.iter():
        node.tag = _without_namespace(node.tag)
        node.attrib = {_without_namespace(name): value for name, value in node.attrib.items()}
        is_text = node.tag in TEXT and not len(node)
        node.text, node.tail = (node.text if is_text else None), None
    _remove(root, lambda node: node.tag in DROPPED)
    for text in root.iter("text"):
        _join_letters(text)
    _rename_ids(root, prefix)
    _drop_repeated_styles(root)
    for node in root.iter():
        if re.match(r"rotate\(-?0 ", node.get("transform", "")):
            del node.attrib["transform"]
        for name in POSITIONS:
            if name in node.attrib:
                node.set(name, _rounded_positions(node.attrib[name]))
    _unwrap_groups(root)
    _join_ticks(root)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    # The style is that of matplotlib's style sheet, for this drawing alone.
    root.attrib = {
        "role": "img",
        "aria-label": description,
        "style": "stroke-linejoin:round;stroke-linecap:butt",
        **root.attrib,
    }
    return Markup(ElementTree.tostring(root, encoding="unicode").replace(" />", "/>"))


def text_by_font(svg: str) -> Iterator[tuple[FontFace, str]]:
    """Each piece of text in a drawing, with the weight and style of its font."""
    for node in ElementTree.fromstring(svg).iter():
        if _without_namespace(node.tag) in TEXT and node.text:
            style = _style_of(node)
            weight = int(style.get("font-weight", FontFace().weight))
            yield FontFace(weight, style.get("font-style", FontFace().style)), node.text


def _without_namespace(name: str) -> str:
    """A name without its XML namespace, which HTML does not need."""
    return name.rpartition("}")[2]


def _remove(parent: Element, is_unwanted: Callable[[Element], bool]) -> None:
    """Remove unwanted nodes at any depth."""
    for child in list(parent):
        if is_unwanted(child):
            parent.remove(child)
        else:
            _remove(child, is_unwanted)


def _rename_ids(root: Element, prefix: str) -> None:
    """Short ids for nodes that are referred to, classes for sets and legends, no other ids."""
    used = {name: f"{prefix}-{place}" for place, name in enumerate(dict.fromkeys(_referred(root)))}
    for node in root.iter():
        name = node.attrib.pop("id", "")
        if re.fullmatch(r"set-\d+", name):
            node.set("class", f"set {name}")
        elif name.startswith("legend_"):
            node.set("class", "legend")
        elif name in used:
            node.set("id", used[name])
        for key, value in node.attrib.items():
            target = _reference(key, value)
            if target:
                node.set(key, value.replace(f"#{target}", f"#{used[target]}"))


def _referred(root: Element) -> Iterator[str]:
    """The ids that any attribute refers to."""
    for node in root.iter():
        for key, value in node.attrib.items():
            if target := _reference(key, value):
                yield target


def _reference(key: str, value: str) -> str:
    """The id that an attribute refers to, or an empty string."""
    if key == "href" and value.startswith("#"):
        return value[1:]
    match = re.fullmatch(r"url\(#([^)]*)\)", value)
    return match[1] if match else ""


def _drop_repeated_styles(root: Element) -> None:
    """Drop from each use of a shape the style that the shape has itself, which takes precedence."""
    shapes = {f"#{node.get('id')}": _style_of(node) for node in root.iter() if "id" in node.attrib}
    for node in root.iter():
        of_shape = shapes.get(node.get("href", ""), {}) if node.tag == "use" else {}
        kept = {name: value for name, value in _style_of(node).items() if name not in of_shape}
        if node.tag in TEXT:
            kept.pop("font-family", None)  # given by the style sheet of the page
        if kept:
            node.set("style", ";".join(f"{name}:{value}" for name, value in kept.items()))
        else:
            node.attrib.pop("style", None)


def _style_of(node: Element) -> dict[str, str]:
    """The entries of the attribute `style`."""
    pairs = (part.partition(":") for part in node.get("style", "").split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _rounded_positions(positions: str) -> str:
    """The same positions with fewer decimals and blanks.

    >>> _rounded_positions("M 53.860239 7 L 1.996 -0.001 z")
    'M53.86 7L2 0z'
    """
    rounded = re.sub(r"-?\d+\.\d+(?:e-?\d+)?", lambda match: _rounded(match[0]), positions)
    return re.sub(r"\s*([A-Za-z(),])\s*", r"\1", " ".join(rounded.split()))


def _rounded(number: str) -> str:
    """A number with at most DECIMALS decimals."""
    value = round(float(number), DECIMALS)
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".") if value else "0"


def _unwrap_groups(parent: Element) -> None:
    """Replace groups without attributes by their children."""
    for child in parent:
        _unwrap_groups(child)
    children: list[Element] = []
    for child in parent:
        is_group = child.tag in ("g", "defs") and not child.attrib
        children += list(child) if is_group and (child.tag == "g" or not len(child)) else [child]
    parent[:] = children


def _join_ticks(root: Element) -> None:
    """Join the uses of one stroke, as a tick, into one path; points of candidate sets stay."""
    strokes = {}
    for node in root.iter("path"):
        match = re.fullmatch(r"M0 0L(\S+ \S+)", node.get("d", ""))
        if match and "id" in node.attrib:
            strokes[f"#{node.get('id')}"] = (match[1], node.get("style", ""))
    joined: set[str] = set()
    for group in [node for node in root.iter() if "set" not in node.get("class", "").split()]:
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
            drawn = f"M{child.get('x')} {child.get('y')}l{stroke}"
            paths[shape].set("d", paths[shape].get("d", "") + drawn)
            joined.add(shape)
        group[:] = children
    used = {node.get("href") for node in root.iter("use")}
    unused = {shape.removeprefix("#") for shape in joined - used}
    _remove(root, lambda node: node.tag == "path" and node.get("id") in unused)
    _remove(root, lambda node: node.tag == "defs" and not len(node))


def _join_letters(text: Element) -> None:
    """Join letters of a formula that have one style and stand on one line into words."""
    words: list[Element] = []
    for letter in sorted(text, key=lambda node: float(node.get("x", "0").split()[0])):
        if words and all(words[-1].get(key) == letter.get(key) for key in ("style", "y")):
            words[-1].text = f"{words[-1].text}{letter.text}"
        else:
            words.append(letter)
    text[:] = words
