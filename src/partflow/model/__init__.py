"""The network: from the elements of packed events to predictions for each element.

Elements of different events never affect each other, and no row is padded (except in gnn_lsh).

    mlpf                 the network: inputs -> encoders -> backbone -> heads
    config               its configuration
    protocols, registry  what a backbone or head must do, and how it is found by its name
    folder, files        model folders: weights and configuration, saved and loaded
    bundled              models that come with the package, and models by name or path
    inputs, neighbourhood, neighbour_search
                         inputs from the columns of an element and from its neighbours
    embedding            standardisation and encoders
    blocks, backbones    what the built-in backbones have in common, and the linear ones
    transformer, attention         softmax attention with a distance term, quadratic
    favor                          attention by random features, linear
    gnn_lsh                        messages in bins of similar elements, linear
    heads                predictions, and the head that makes them from each element
    sharing, owners      the head that divides the energy of clusters over their possible owners
    layout               rows of events, tracks and clusters in a batch
    linear, torch_operators        linear layers, and private operators of torch
    published            published MLPF v2.2.0
"""
