"""Model cards: the README.md of a model folder, in the layout of the Hugging Face hub.

    facts       what a card tells, gathered by `pipeline.card`
    card        the text: metadata and sections
    sections    what each section shows
    samples     events and how they were made: tables and sentences
    results     tables of the evaluation, and its figures as metadata
    usage       commands that use the model, and the one that trains it again
    resources   machine, time and energy

No figure is written by hand: each comes from a file of the run or of the report. What no file tells
is said to be unknown.
"""
