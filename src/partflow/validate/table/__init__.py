"""The table of a validation: its targets as data, the verdict of each line, and how it is shown."""
