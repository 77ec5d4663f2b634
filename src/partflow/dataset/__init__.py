"""Labelled events, packed into flat memory-mapped arrays and read back as batches.

    packing        labelled events -> a folder of flat arrays
    packed         that folder, memory-mapped
    columns        names of the columns of targets and missing momentum
    batches        packed events -> batches of tensors; the only module that imports torch
    augmentation   symmetries of the detector, applied to a batch
    draws          random numbers that depend on the event alone

Nothing is padded: the elements of all events of a batch follow each other, with offsets.
"""
