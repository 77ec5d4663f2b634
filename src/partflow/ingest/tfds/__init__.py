"""The data sets published with MLPF v2.2.0 (TFDS, array_record files), without TensorFlow.

They are read to labelled events, and written from them. `partflow.model.published` lists where
the other parts of MLPF v2.2.0 are: its target definition, network, loss and checkpoints.
"""
