"""Training of a network on labelled events.

    trainer         one training run, from labelled events to the model folder
    config          settings of a run
    configuration   the whole configuration, of network and training, and its file
    dry_run         what a training would take
    loop            steps and validations until the run is complete or interrupted
    step            one step: loss, gradient and optimiser, over all processes
    processes       devices, and the processes of a training
    optimizer       optimiser, and the moving average of the weights
    schedule        learning rate
    loss            the training loss, term by term
    terms           terms as ratios of sums, over batches and processes
    published_loss  the loss of the published MLPF v2.2.0
    metrics         errors of whole events, monitored and not optimised
    validation      losses and metrics of each source
    run_files       what a run writes
    checkpoint      state of a run on disk, to be continued
    history         losses of every validation: table and figure
    resources       machine, time and versions
    training_data   the events, and how they were made
    loggers         TensorBoard, Comet, MLflow, Weights & Biases
    interruption    Ctrl-C, and the signal of a scheduler
    progress_bar    the bar, and a line for each validation
    transfer        training that starts from a trained network
    threshold       choice of the probability threshold on validation events

Start reading at `trainer.train`.
"""
