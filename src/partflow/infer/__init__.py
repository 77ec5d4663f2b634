"""Reconstruction with a trained network: elements -> candidates.

    reconstruction  elements of events -> candidates and energy shares
    predictions     output of a network -> predictions for each element
    published       the same for the published MLPF v2.2.0
    readout         predictions -> candidates
    embeddings      embeddings and attention maps of a network, to look at

The truth is never passed to these functions.
"""
