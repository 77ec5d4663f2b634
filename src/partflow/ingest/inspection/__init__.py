"""What a file or folder is, what takes it, and what will not work with it.

| module | task |
|---|---|
| `inspection` | `inspect`, which `partflow inspect` calls |
| `result` | the record that it returns |
| `parts` | which outputs a folder holds |
| `outputs` | outputs of partflow |
| `foreign` | EDM4hep files and published data sets |
| `page` | the result on a terminal |
"""
