"""`tf.train.Example` messages of packed float lists, straight from and to bytes.

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
    number: int
    wire_type: int
    value: memoryview
    """Payload; empty for a varint, whose value nothing here needs."""


def parse_example(record: bytes) -> dict[str, Array]:
    """The float lists of a record by their keys; keys that hold something else are left out.

    Raises DataError where the bytes are no such message.
    """
    lists: dict[str, Array] = {}
    for features in _messages(memoryview(record), FEATURES):
        for entry in _messages(features, FEATURE):
            key, values = _entry(entry)
            if values is not None:
                lists[key] = values
    return lists


def serialize_example(lists: Mapping[str, Array]) -> bytes:
    """The message with these float lists, each flattened row by row."""
    entries = b""
    for key, values in lists.items():
        packed = np.ascontiguousarray(values, dtype=FLOAT).tobytes()
        float_list = _length_delimited(VALUES, packed) if packed else b""
        feature = _length_delimited(FLOAT_LIST, float_list)
        entry = _length_delimited(KEY, key.encode()) + _length_delimited(VALUE, feature)
        entries += _length_delimited(FEATURE, entry)
    return _length_delimited(FEATURES, entries)


def _entry(entry: memoryview) -> tuple[str, Array | None]:
    key, values = "", None
    for field in _fields(entry):
        if field.wire_type != LENGTH:
            continue
        if field.number == KEY:
            try:
                key = bytes(field.value).decode()
            except UnicodeDecodeError as error:
                raise DataError("a key of the record is no text") from error
        elif field.number == VALUE:
            found = [_float_list(values) for values in _messages(field.value, FLOAT_LIST)]
            values = np.concatenate(found) if found else values
    return key, values


def _float_list(message: memoryview) -> Array:
    parts = []
    for field in _fields(message):
        if field.number != VALUES or field.wire_type not in (LENGTH, FIXED32):
            continue
        if len(field.value) % FLOAT.itemsize:
            raise DataError(f"a float list of {len(field.value)} bytes")
        parts.append(np.frombuffer(field.value, dtype=FLOAT))
    return np.concatenate(parts) if parts else np.empty(0, dtype=FLOAT)


def _messages(message: memoryview, number: int) -> Iterator[memoryview]:
    for field in _fields(message):
        if field.number == number and field.wire_type == LENGTH:
            yield field.value


def _fields(message: memoryview) -> Iterator[_Field]:
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        size = 0
        if wire_type == VARINT:
            _, position = _varint(message, position)
        elif wire_type == LENGTH:
            size, position = _varint(message, position)
        elif wire_type in (FIXED32, FIXED64):
            size = 4 if wire_type == FIXED32 else 8
        else:
            raise DataError(f"the record has a field of wire type {wire_type}")
        if number == 0 or position + size > len(message):
            raise DataError("the record ends before its fields do")
        yield _Field(number, wire_type, message[position : position + size])
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(message[position : position + MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, position + place + 1
    raise DataError("the record ends within a number, or a number does not end")


def _length_delimited(number: int, payload: bytes) -> bytes:
    return _encoded(number << 3 | LENGTH) + _encoded(len(payload)) + payload


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
