"""The fast simulation: parametrised showers, tracks from efficiencies and resolutions.

Events pass through `flights` (records of the particles), `decays`, `interactions` and
`bremsstrahlung` (what happens in the tracker), `tracking` (tracks), and `electromagnetic` or
`hadronic` (showers). `event` is the kernel for one event, `simulation` the entry point.
"""
