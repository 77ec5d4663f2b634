"""Training of a network on labelled events.

trainer         one training run, from the packed data set to the model folder
config          settings of a run
loss            the training loss, term by term
published_loss  the loss of the published MLPF v2.2.0
metrics         errors of whole events, monitored and not optimised
module          the training and validation steps, for Lightning
schedule        learning rate
stream          training batches, epoch after epoch
callbacks       interruption, writing, progress bar
history         one row of losses for each validation: table and figure
checkpoint      the run on disk, to be continued
threshold       choice of the probability threshold on validation events
"""
