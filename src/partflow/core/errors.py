"""What can go wrong, as a tree.

    PartflowError
    ├── ConfigError     a setting that cannot be (unknown process, negative cell, ...)
    ├── InputError      an input that is missing, unreadable or not ours
    │   └── SchemaError a file of ours that is of another stage or lacks a column
    ├── DataError       values that cannot be (NaN in a feature, an index out of range)
    ├── OutputError     an output that cannot be written (disk full, exists already)
    └── RequirementError a result that does not keep what was required of it

A message is one line that says where, what, and what to do next. The command line prints
it without a traceback and exits with `exit_code`.
"""

from __future__ import annotations


class PartflowError(Exception):
    """Anything that is the input's or the user's to mend, not a defect of the program."""

    exit_code = 1


class ConfigError(PartflowError):
    """A setting that cannot be."""

    exit_code = 2


class InputError(PartflowError):
    """An input that is missing, unreadable or foreign."""

    exit_code = 3


class SchemaError(InputError):
    """A file of ours, but of another stage, or without a column that is needed."""


class DataError(PartflowError):
    """Values that cannot be."""

    exit_code = 4


class OutputError(PartflowError):
    """An output that cannot be written."""

    exit_code = 5


class RequirementError(PartflowError):
    """A result that does not keep what was required of it."""

    exit_code = 6
