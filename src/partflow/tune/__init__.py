"""Search for hyperparameters: many short trainings, each with other settings, and the best of them.

    space    which settings a trial varies, and how they change a configuration
    pruning  the budget of a trial, and when it ends early
    retries  trials that are tried again
    study    the trials on disk, shared by several processes
    search   one trial after the other
    interruption  Ctrl-C
    results  table of trials and best configuration, as files
    plots, page   the same as pictures and as a page

The package trains nothing itself: it is given a function that trains one configuration. Start
reading at `search.search`.
"""
