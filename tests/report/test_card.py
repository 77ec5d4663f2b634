"""The text of a model card: whole, honest about what is unknown, and safe with hostile names."""

import json
import re
from dataclasses import asdict, replace

import pytest
import yaml
from markdown_it import MarkdownIt

from partflow.core.origins import Origin
from partflow.core.provenance import Provenance
from partflow.evaluate import EvaluationConfig, Evaluator
from partflow.model.config import ModelConfig, ReadoutConfig
from partflow.report.card import samples
from partflow.report.card.card import build_card
from partflow.report.card.facts import (
    CardFacts,
    EvaluationFacts,
    ModelFacts,
    Picture,
    TrainingFacts,
)
from partflow.report.card.resources import energy_sentence
from partflow.train.configuration import Configuration
from partflow.train.resources import RunPart, resources_of
from partflow.train.training_data import SourceEvents, TrainingData

EVIL = '<img src=x onerror=alert(1)>|`x`\n\n---\n# Evil [a](https://evil.example) *b* "c"'
SECTIONS = [
    "Model details", "Uses", "Bias, risks, and limitations", "How to get started",
    "Training details", "Evaluation", "Environmental impact", "Citation", "Glossary",
]  # fmt: skip
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.fixture(scope="module")
def metrics(toy_events):
    evaluator = Evaluator(EvaluationConfig(num_replicas=10))
    toy_events(40, 21).add_to(evaluator)
    found = evaluator.metrics()
    found["readouts"] = {"mlpf": {"kind": "expectation", "threshold": 0.4, "origin": "given"}}
    return json.loads(json.dumps(found))


def origins(word="gen", engine="fast", overlay=False):
    """Labelled events with all that they were made from, with names made of `word`."""
    generated = Origin(
        f"{word}.parquet", "a" * 32,
        Provenance("generated", {"process": "ttbar", "energy": 365.0, "seed": 11}, 11), 30,
    )  # fmt: skip
    simulation = {"detector": {"name": word}, "engine": engine, "simulation": {"hit_times": True}}
    simulation |= {"overlay": {"mean": 5.4}} if overlay else {}
    events = Origin("events", "b" * 32, Provenance("events", simulation), 30, (generated,))
    labelled = Provenance("labelled", {"definition": word, "elements": "final"}, commit=word)
    return (Origin(word, "c" * 32, labelled, 30, (events,)),)


def facts_with(word, metrics, name="mlpf"):
    """All facts that a card may have, each name being or containing `word`."""
    network = ModelConfig(dim=16, num_layers=1, num_heads=2, readout=ReadoutConfig(threshold=0.4))
    configuration = Configuration(model=network)
    data = TrainingData(
        (SourceEvents(word, {word: 20, "ttbar": 5}, {word: 5}, 1.0),),
        (*origins(word), Origin(word, word)),
        Origin(word, word, Provenance("model", {}, version=word)),
    )
    part = RunPart(word, 8, 2, 1, "cpu", 90.0, 5400.0, word, word, word)
    evaluated = {**metrics, "jets": dict(metrics["jets"])}
    if name != "mlpf":
        for group in ("jets", "met", "particles"):
            evaluated[group] = {name if n == "mlpf" else n: e for n, e in metrics[group].items()}
    return CardFacts(
        name=word,
        model=ModelFacts(
            json.loads(json.dumps(asdict(network))), network, 1234, word,
            Provenance("model", {}, inputs={word: word}, version=word, commit=word),
            {"threshold": 0.4},
        ),
        training=TrainingFacts(
            data, configuration,
            [{"epoch": 2.0, "steps": 10.0, "events_seen": 50.0, "minutes": 90.0,
              "events_per_second": 3.0, "training_loss": 2.0, "validation_loss": 1.5}],
            resources_of(90.0, [part]),
        ),
        evaluation=EvaluationFacts(
            {**evaluated, "processes": {word: metrics, "qq": metrics}}, name,
            origins(word)[0].inputs, "same",
        ),
        pictures=(Picture("card_jet_response.png", word),),
        licence=word, developers=word, repository=word,
    )  # fmt: skip


def parts(card):
    """Metadata and text of a card."""
    _, metadata, text = card.split("---\n", 2)
    return yaml.safe_load(metadata), text


def headings(text):
    tokens = PARSER.parse(text)
    return [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]


def test_a_card_has_the_sections_of_model_cards(metrics):
    card = build_card(facts_with("word", metrics))
    tokens = PARSER.parse(parts(card)[1])
    second = [tokens[i + 1].content for i, token in enumerate(tokens) if token.tag == "h2"
              and token.type == "heading_open"]  # fmt: skip
    assert second == SECTIONS
    assert build_card(facts_with("word", metrics)) == card


def test_hostile_names_add_no_markup_and_leave_every_table_whole(metrics):
    card = build_card(facts_with(EVIL, metrics, name=EVIL))
    benign = build_card(facts_with("word", metrics))
    metadata, text = parts(card)
    assert metadata["license"].startswith("<img") and "\n" not in metadata["license"]
    assert metadata["model-index"][0]["name"] == metadata["license"]
    kinds = [
        [t.type for t in PARSER.parse(parts(c)[1]) if t.type != "text"] for c in (card, benign)
    ]
    assert kinds[0] == kinds[1]
    for token in PARSER.parse(text):
        if token.type == "html_block":
            assert re.fullmatch(r"(</?details>|<summary>[\w ]+</summary>|\s)+", token.content)
        for child in token.children or []:
            assert child.type in {"text", "text_special", "softbreak", "code_inline", "strong_open",
                                  "strong_close", "em_open", "em_close", "image"}  # fmt: skip
            if child.type == "image":
                assert child.attrs["src"] == "card_jet_response.png"
    assert "https://evil" not in text
    assert [h for h in headings(text) if "Evil" in h] == [headings(text)[0]]


def test_hostile_names_do_not_get_into_commands(metrics):
    facts = facts_with("x; rm -rf ~ #\n$(evil)", metrics)
    network = replace(facts.model.network, detector="a b;c", backbone="evil:Class", head="x.y:Z")
    facts = replace(facts, model=replace(facts.model, network=network))
    blocks = [t.content for t in PARSER.parse(parts(build_card(facts))[1]) if t.info == "bash"]
    assert len(blocks) == 2
    assert not re.search(r"[;$#~]|rm ", "".join(blocks))
    assert "--detector detector.json" in blocks[0] and "pull USER/NAME" in blocks[0]
    assert "--backbone evil:Class --head x.y:Z" in blocks[0]
    assert "partflow train labelled/ labelled/ --config config.toml --init model/" in blocks[1]


def test_the_figures_are_those_of_the_report(metrics):
    facts = facts_with("word", metrics)
    metadata, text = parts(build_card(facts))
    (model,) = metadata["model-index"]
    assert [r["dataset"]["name"].split()[0] for r in model["results"]] == ["all", "word", "qq"]
    figures = {m["name"].partition(" (")[0]: m for m in model["results"][0]["metrics"]}
    jets, met = metrics["jets"]["mlpf"], metrics["met"]["mlpf"]
    photon, neutral = (metrics["particles"]["mlpf"][n] for n in ("photon", "neutral_hadron"))
    for name, entry, key in (
        ("jet response IQR/median", jets, "iqr_over_median"),
        ("jet response IQR/median, relative to the baseline", jets["relative_to_baseline"],
         "iqr_over_median"),
        ("jet response median", jets, "median"),
        ("matched fraction of generator jets", jets, "matched_fraction"),
        ("MET response IQR/median", met, "iqr_over_median"),
        ("photon efficiency", photon, "efficiency"),
        ("photon fake rate", photon, "fake_rate"),
        ("neutral hadron efficiency", neutral, "efficiency"),
        ("neutral hadron fake rate", neutral, "fake_rate"),
    ):  # fmt: skip
        assert figures[name]["value"] == pytest.approx(entry[key], abs=1e-5), name
        low, high = re.search(
            r"interval (-?[\d.]+) to (-?[\d.]+)\)", figures[name]["name"]
        ).groups()
        assert [float(low), float(high)] == pytest.approx(entry[f"{key}_ci"], abs=1e-3), name
    width, (low, high) = jets["iqr_over_median"], jets["iqr_over_median_ci"]
    row = next(line for line in text.splitlines() if line.startswith(f"| all | {width:.4f} "))
    assert f"{width:.4f} +{max(high - width, 0):.4f} −{max(width - low, 0):.4f} |" in row
    for name in ("baseline", "perfect", "target"):
        assert f"{metrics['jets'][name]['iqr_over_median']:.4f}" in row
    assert f"| all | {metrics['num_events']} | {jets['num_gen']} |" in text


def test_a_figure_of_too_few_events_is_not_in_the_metadata(metrics):
    changed = json.loads(json.dumps(metrics))
    changed["jets"]["mlpf"]["median_ci"] = [None, None]
    facts = facts_with("word", metrics)
    facts = replace(facts, evaluation=replace(facts.evaluation, metrics=changed))
    (model,) = parts(build_card(facts))[0]["model-index"]
    names = [m["name"].partition(" (")[0] for m in model["results"][0]["metrics"]]
    assert "jet response median" not in names and "jet response IQR/median" in names


def test_the_data_are_described(metrics):
    text = parts(build_card(facts_with("word", metrics)))[1]
    assert "| `word.parquet` | 30 | ttbar | 365 | 11 |" in text
    assert "| `events` | 30 | word | fast | hit_times yes |" in text
    assert "| `word` | 30 | " in text
    assert "| `word` | word | 20 | 5 |" in text and "| `word` | ttbar | 5 | 0 |" in text
    assert "| all |  | 25 | 5 |" in text
    assert "Energies of the training events: 365 GeV." in text
    assert "fast (parametrised showers, not Geant4)" in text
    assert "ttbar (e+e- -&gt; t tbar, all decays)" in text
    assert "Overlaid background in the training events: none." in text


def test_what_is_unknown_is_said_to_be_unknown():
    network = ModelConfig(dim=16, num_layers=1, num_heads=2)
    model = ModelFacts(json.loads(json.dumps(asdict(network))), network, None, None, None)
    metadata, text = parts(build_card(CardFacts("nameless", model)))
    assert metadata["license"] == "unknown" and "model-index" not in metadata
    for sentence in (
        "- Developed by: unknown",
        "- Parameters: unknown",
        "- Version: made with partflow unknown, commit unknown",
        "Licence of the weights: unknown",
        "Processes of the training events: unknown.",
        "Energies of the training events: unknown.",
        "Number of training events: unknown.",
        "Overlaid background in the training events: unknown.",
        "The numbers of events are unknown",
        "Unknown: the model folder has no `config.toml`",
        "Unknown: the card was written without a report",
        "Hardware, hours and energy are unknown",
    ):
        assert sentence in text, sentence
    assert "None" not in text


def test_an_evaluation_on_training_events_is_said_to_be_too_good(metrics):
    facts = facts_with("word", metrics)
    assert "results are too good" in build_card(facts).replace("\n", " ")
    other = Origin("other.parquet", "d" * 32, Provenance("generated", {"process": "qq"}), 5)
    apart = replace(facts.evaluation, origins=(other,))
    data = replace(facts.training.data, origins=origins("word"), initial_model=None)
    training = replace(facts.training, data=data)
    text = build_card(replace(facts, evaluation=apart, training=training))
    assert "None of these events was used in the training" in text
    lost = replace(facts.evaluation, origins=(Origin("other.parquet", "d" * 32),))
    text = build_card(replace(facts, evaluation=lost, training=training))
    assert "It is not known whether training and evaluation have events in common" in text


def test_common_samples_need_all_origins():
    (ours,) = origins("a")
    stranger = Origin("x", "e" * 32, Provenance("generated", {}))
    assert samples.common_samples([ours], [stranger]) == []
    assert samples.common_samples([ours, Origin("lost", "0")], [stranger]) is None
    assert samples.common_samples([ours, Origin("lost", "0")], [ours.inputs[0]]) is not None
    assert samples.common_samples([], [stranger]) is None


@pytest.mark.parametrize(
    ("link", "said"), [("same", "the hashes agree"), ("other", "the hashes differ"),
                       ("unknown", "it is not known whether this model made them")],
)  # fmt: skip
def test_a_card_says_whether_the_candidates_are_known_to_be_of_the_model(metrics, link, said):
    facts = facts_with("word", metrics)
    facts = replace(facts, evaluation=replace(facts.evaluation, link=link))
    assert said in " ".join(build_card(facts).split())


def test_stand_in_data_and_background_are_named(metrics):
    facts = facts_with("word", metrics)
    (labelled,) = origins("word", "geant4", overlay=True)
    (events,) = labelled.inputs
    config = {**events.provenance.config, "geant4": {"data": {"is_stand_in": True}}}
    events = replace(events, provenance=replace(events.provenance, config=config))
    data = TrainingData((), (replace(labelled, inputs=(events,)),))
    text = build_card(replace(facts, training=replace(facts.training, data=data)))
    assert "**Geant4 with stand-in data" in text
    assert "background, mean 5.4 events" in text
    assert "Overlaid background in the training events: in some or all of them." in text
    assert "--engine geant4 --stand-in-data" in text


def test_energy_is_an_estimate_with_its_assumption():
    core = RunPart(device="cpu", minutes=60.0, processor_seconds=7200.0)
    gpu = RunPart(device="NVIDIA H200", minutes=30.0, processor_seconds=900.0, processes=2)
    known = energy_sentence(resources_of(60.0, [core]), None)
    assert known.startswith("About 0.020 kWh, assuming 10 W for each core at work.")
    assert "not measured" in known
    assert energy_sentence(resources_of(90.0, [core]), None).startswith("At least 0.020 kWh")
    assert "unknown: the power of the accelerators (NVIDIA H200)" in energy_sentence(
        resources_of(30.0, [gpu]), None
    )
    given = energy_sentence(resources_of(30.0, [gpu]), 700.0)
    assert given.startswith("About 0.70 kWh, assuming 700 W for each accelerator all the time")


def test_the_time_of_an_unrecorded_part_is_named(metrics):
    facts = facts_with("word", metrics)
    used = resources_of(150.0, [RunPart(device="cpu", minutes=90.0)])
    text = build_card(replace(facts, training=replace(facts.training, resources=used)))
    assert "Of the first 60.0 min the machine is unknown" in text


def test_an_empty_evaluation_is_no_error(toy_events):
    evaluator = Evaluator(EvaluationConfig(num_replicas=10))
    toy_events(1, 3).add_to(evaluator, slice(0, 0))
    found = json.loads(json.dumps(evaluator.metrics()))
    facts = facts_with("word", found)
    facts = replace(facts, evaluation=replace(facts.evaluation, metrics=found))
    metadata, text = parts(build_card(facts))
    assert "There is nothing to evaluate: the sample holds no event." in text
    assert "| all | – | – | – | – |" in text and "nan" not in text.lower()
    assert "model-index" not in metadata


def test_a_picture_with_another_name_is_refused():
    with pytest.raises(ValueError, match="not the name of a picture"):
        _ = Picture("../x.png", "x").link
