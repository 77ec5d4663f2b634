"""`tf.train.Example` messages of float lists, from bytes and to bytes.

    Example {Features features = 1}
    Features {map<string, Feature> feature = 1}, an entry being {string key = 1, Feature value = 2}
    Feature {BytesList = 1 | FloatList = 2 | Int64List = 3}
    FloatList {repeated float value = 1, packed or not}

Wire format: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from partflow.core.errors import DataError
from partflow.core.records import Array

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types."""
FEATURES, FEATURE, KEY, VALUE, FLOAT_LIST, VALUES = 1, 1, 1, 2, 2, 1
"""Field numbers of the messages above."""
FLOAT = np.dtype("<f4")
MAX_VARINT_BYTES = 10


class _Field(NamedTuple):
    """A field of a message."""

    number: int
    wire_type: int
    payload: memoryview
    """Empty for a varint, because no varint is needed here."""


def parse_example(record: bytes) -> dict[str, Array]:
    """The float lists of a record by key; keys with values of another type are left out.

    Raises DataError where the bytes are not such a message.
    """
    lists: dict[str, Array] = {}
    for features in _submessages(memoryview(record), FEATURES):
        for entry in _submessages(features, FEATURE):
            key, values = _parse_entry(entry)
            if values is not None:
                lists[key] = values
    return lists


def serialize_example(lists: Mapping[str, Array]) -> bytes:
    """The message that holds these float lists, each flattened row by row."""
    entries = b""
    for key, values in lists.items():
        packed = np.ascontiguousarray(values, dtype=FLOAT).tobytes()
        float_list = _length_delimited(VALUES, packed) if packed else b""
        feature = _length_delimited(FLOAT_LIST, float_list)
        entry = _length_delimited(KEY, key.encode()) + _length_delimited(VALUE, feature)
        entries += _length_delimited(FEATURE, entry)
    return _length_delimited(FEATURES, entries)


def _parse_entry(entry: memoryview) -> tuple[str, Array | None]:
    """Key and values of a map entry; None where it holds no float list."""
    key, values = "", None
    for field in _fields(entry):
        if field.wire_type != LENGTH:
            continue
        if field.number == KEY:
            try:
                key = bytes(field.payload).decode()
            except UnicodeDecodeError as error:
                raise DataError("a key of the record that is not text") from error
        elif field.number == VALUE:
            lists = [_parse_floats(part) for part in _submessages(field.payload, FLOAT_LIST)]
            values = np.concatenate(lists) if lists else values
    return key, values


def _parse_floats(message: memoryview) -> Array:
    """The values of a FloatList, packed or not."""
    parts = []
    for field in _fields(message):
        if field.number != VALUES or field.wire_type not in (LENGTH, FIXED32):
            continue
        if len(field.payload) % FLOAT.itemsize:
            raise DataError(f"a float list of {len(field.payload)} bytes")
        parts.append(np.frombuffer(field.payload, dtype=FLOAT))
    return np.concatenate(parts) if parts else np.empty(0, dtype=FLOAT)


def _submessages(message: memoryview, number: int) -> Iterator[memoryview]:
    """The messages that the field `number` of a message holds."""
    for field in _fields(message):
        if field.number == number and field.wire_type == LENGTH:
            yield field.payload


def _fields(message: memoryview) -> Iterator[_Field]:
    """The fields of a message, in order."""
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        size = 0
        if wire_type == VARINT:
            _, position = _read_varint(message, position)
        elif wire_type == LENGTH:
            size, position = _read_varint(message, position)
        elif wire_type in (FIXED32, FIXED64):
            size = 4 if wire_type == FIXED32 else 8
        else:
            raise DataError(f"the record has a field of wire type {wire_type}")
        if number == 0 or position + size > len(message):
            raise DataError("the record ends within a field")
        yield _Field(number, wire_type, message[position : position + size])
        position += size


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """The varint at `position`, and the position behind it."""
    value = 0
    for place, byte in enumerate(message[position : position + MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, position + place + 1
    raise DataError("the record ends within a number, or holds a number that is too long")


def _length_delimited(number: int, payload: bytes) -> bytes:
    """A field of wire type LENGTH as bytes."""
    return _varint(number << 3 | LENGTH) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    """A number as a varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
