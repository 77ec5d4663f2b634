"""EDM4hep ROOT files: read into records, and written from them.

| module | task |
|---|---|
| `names` | names and code numbers that reader and writer share |
| `podio`, `columns` | access to a file: the two podio layouts, branches as flat columns |
| `reading` | one module for each kind of object; `reading.events` joins them |
| `writing` | the same for writing; `writing.writer` writes the file |
| `ingestion` | many files to one folder of stage `events` |
| `export` | a folder of stage `events` to files |
"""
