"""What the metrics mean, as `metrics.json` says it under `definitions`."""

DEFINITIONS = {
    "gen_jets": "ee_genkt jets (R, power -1, minimum pt: see config) of generator particles of "
    "status 1 without neutrinos, at any polar angle above config.min_theta",
    "overlay": "gen jets, gen MET and the generator's dijets are of the signal alone; targets, "
    "candidates and the energy flow hold particles of overlaid background events, too",
    "matching": "nearest reconstructed jet with delta R below config.max_delta_r, for each gen jet",
    "response": "pt(reco)/pt(gen) of matched jets; iqr = p75 - p25",
    "matched_fraction": "gen jets with a matched reconstructed jet / gen jets",
    "met": "length of the sum of transverse momenta; response in events with gen MET above "
    "config.min_gen_met, difference reco - gen in all events",
    "efficiency": "targets with a candidate of the same class at their element / targets",
    "fake_rate": "candidates whose element's target is not of their class / candidates, among "
    "candidates that stand at an element",
    "confusion": "elements by class of target (row) and of their most energetic candidate (column)",
    "particle_response": "pt and energy of a found target's candidate over the target's; "
    "residuals of eta and phi [rad] likewise; bins are those of the target",
    "dijets": "masses of the bosons of ww and zh from four exclusive Durham jets of everything "
    "visible, paired at generator level (both masses within 10 GeV of the bosons'), candidates' "
    "jets matched to those by angle; response m(reco)/m(gen)",
    "energy_flow": "mean EM-scale energy in clusters per event [GeV] by the generator particle "
    "that left it and by what it was taken for: by the shares where clusters were shared out, else "
    "by the candidates without a track, each at its own cluster; of a cluster as much as can be "
    "right is counted as right, the rest in proportion",
    "calibration": "part of the candidates in a bin of probability whose element has a target; "
    "expected_calibration_error is the candidates' mean distance of the two; only candidates "
    "that the readout kept, none for sets without probabilities",
    "background": "signal_efficiency: signal targets with a candidate at their element / signal "
    "targets; background_rejection: background targets without one / background targets; pt_...: "
    "the same of their transverse momenta; none for events without overlaid background",
    "relative_to_baseline": "IQR/median over that of the baseline, on the same bootstrap replicas",
    "interval": "central interval of a Poisson bootstrap over events; null from fewer than two",
}

CORRECTED_DEFINITION = (
    "jets multiplied by a correction for pt and abs(eta) of the reconstructed jet, as are the jets "
    "of the dijets; each half of the events, by a hash of their ids, is corrected by a function "
    "derived on the other half; which jets are found and matched does not change; intervals are "
    "at a fixed correction; closure is the median corrected response"
)
"""Definition of the metrics that `--correct` adds."""
