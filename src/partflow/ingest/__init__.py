"""Files of other programs to records, and records to such files.

`edm4hep` reads and writes EDM4hep ROOT files of full simulations, `tfds` the data sets published
with MLPF v2.2.0, and `inspection` says what a file or folder is. Later stages read the same
records, whatever an event was read from.
"""
