"""Labelled events, packed into flat memory-mapped arrays and read back as batches.

    packing         labelled events -> a folder of flat arrays
    packed_files    names, types and shapes of the arrays, and the checks when they are opened
    packed          that folder, memory-mapped
    columns         names of the columns of targets and missing momentum
    source_folders  the packed data sets in a folder that a user gives
    mixture         several packed data sets as one
    sampler         which events an epoch uses, and how they are cut into batches
    batches         what a batch is: tensors of packed events
    loader          batches of a mixture, read when they are due or ahead
    augmentation    symmetries of the detector, applied to a batch
    draws           random numbers that depend on the event alone

Nothing is padded: the elements of all events of a batch follow each other, with offsets. Only
`batches` and `loader` import torch.
"""
