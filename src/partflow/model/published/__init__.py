"""Published MLPF v2.2.0: the networks of arXiv:2503.00131 on packed events, and their checkpoints.

"Published MLPF v2.2.0" is the released system whose model card is mlpf-clic-clusters-v2.2.0. Its
parts are in several packages, each where a stage of the pipeline needs it:

    model/published/           networks, checkpoints, configuration
        mlpf.py                the network: two encoders, two stacks of layers, seven heads
        attention.py           its attention layer (its GNN-LSH layer is model/gnn_lsh.py)
        layers.py              encoders, feed-forward parts and regression heads
        config.py              its configuration: the arguments that the published program stores
        checkpoint.py          reads a published checkpoint and its arguments
    label/published/           its definition of the targets, including the known errors
    train/published_loss.py    its training loss
    infer/published.py         candidates from its predictions
    ingest/tfds/               its data sets (clic_edm_*_pf, version 2.5.0)

An imported network is stored in a model folder like any other (`model/folder.py`, architecture
"published"). Weights and predictions agree with the published ones to 1e-5.
"""
