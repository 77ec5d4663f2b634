"""Training of a network on labelled events.

    trainer         one training run, from the packed data set to the model folder
    config          settings of a run
    loss            the training loss, term by term
    published_loss  the loss of the published MLPF v2.2.0
    metrics         errors of whole events, monitored and not optimised
    module          training step, validation step and optimiser, for Lightning
    schedule        learning rate
    stream          training batches, epoch after epoch
    callbacks       interruption, writing of files, progress bar
    history         losses of every validation: table and figure
    checkpoint      state of a run on disk, to be continued
    threshold       choice of the probability threshold on validation events

Start reading at `trainer.train`.
"""
