"""Files of others, read into our records and written from them.

`edm4hep` speaks EDM4hep ROOT files (both podio layouts), `tfds` the published array_record data
sets; `ingestion` takes many such files to a folder of ours, and `inspection` says what any file
is. Nothing behind this door knows which one an event came through.
"""
