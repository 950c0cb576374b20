"""Training: better than knowing nothing, resumable to the last bit, and honest about its files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.learn.family import held_out, make_family
from lagc.learn.networks import observe
from lagc.learn.progress import Progress
from lagc.learn.train import restore, train
from lagc.learn.train_options import TrainOptions, TrainReport

TINY = TrainOptions(steps=20, step=0.2, held_out=200, batch=128, checkpoint_every=50)
MLP = replace(TINY, network="mlp", systems=128 * 300, width=64)
LSTM = replace(TINY, network="lstm", systems=128 * 300, width=32)


@pytest.fixture(scope="module")
def trained(dho, tmp_path_factory) -> tuple[TrainReport, Path]:
    folder = tmp_path_factory.mktemp("mlp")
    return train(dho, MLP, output=folder), folder


def factors(report: TrainReport) -> dict[str, float]:
    """How many times smaller the errors are than those of the baselines."""
    result = {
        name: e.baseline_median_relative_error / e.median_relative_error
        for name, e in report.coefficients.items()
    }
    for name, e in report.trajectories.items():
        result[f"{name} pooled"] = e.baseline_pooled_rms / e.pooled_rms
        result[f"{name} median"] = e.baseline_median / e.median
    return result


def test_perceptron_beats_the_baselines(trained):
    report, _ = trained
    by = factors(report)
    assert by["c1"] > 4 and by["c2"] > 4 and by["c3"] > 1.5
    assert by["q pooled"] > 2.5 and by["p pooled"] > 2.5
    assert by["q median"] > 5 and by["p median"] > 5
    for e in report.coefficients.values():
        assert e.baseline_rmse > 1.5 * e.rmse


def test_baseline_is_that_of_the_law(trained):
    # Always saying the mean errs by the standard deviation of the law.
    report, _ = trained
    assert report.coefficients["c1"].baseline_rmse == pytest.approx(19.99 / 12**0.5, rel=0.1)


def test_recurrent_network_beats_the_baselines(dho, tmp_path):
    report = train(dho, LSTM, output=tmp_path)
    by = factors(report)
    assert by["c1"] > 2 and by["c2"] > 2
    assert by["q pooled"] > 1.7 and by["p pooled"] > 1.7


def test_report_says_what_was_done_and_is_saved(trained):
    report, folder = trained
    assert (report.systems_seen, report.updates) == (38400, 300)
    assert report.held_out + report.held_out_dropped == 200
    assert report.supervision == "coefficients"
    assert json.loads((folder / "report.json").read_text()) == report.as_json()
    files = sorted(p.name for p in folder.iterdir())
    assert files == ["checkpoint-300.eqx", "checkpoint.json", "report.json"]


def test_interrupted_resumed_and_extended_run_is_the_same_to_the_last_bit(dho, trained, tmp_path):
    def interrupt(progress: Progress) -> None:
        if progress.done == 120:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dho, replace(MLP, systems=128 * 200), output=tmp_path, progress=interrupt)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["updates"] == 120
    report = train(dho, MLP, output=tmp_path, resume=True)
    whole, folder = trained
    assert replace(report, seconds=0) == replace(whole, seconds=0)
    name = "checkpoint-300.eqx"
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_restored_network_predicts_as_reported(dho, trained):
    report, folder = trained
    family = make_family(dho, dt=0.2, steps=20)
    members, _ = held_out(family, MLP.held_out_seed, 200)
    predicted = restore(dho, MLP, output=folder)(observe(members, "q,p"))
    assert predicted.shape == (200, 3)
    errors = np.sqrt(np.mean((predicted - members.coefficients) ** 2, axis=0))
    assert errors == pytest.approx([e.rmse for e in report.coefficients.values()], rel=1e-5)
    lowest = np.asarray(predicted).min(axis=0)
    assert lowest[0] >= 0.01 and (lowest[1:] >= 0).all()


def refusal(system, options, folder, **more) -> tuple[Code, str]:
    with pytest.raises(LagcError) as caught:
        train(system, options, output=folder, resume=more.get("resume", True))
    return caught.value.diagnostics[0].code, caught.value.diagnostics[0].message


def test_checkpoints_of_other_runs_are_refused(dho, trained, tmp_path):
    _, folder = trained
    code, words = refusal(dho, replace(MLP, seed=5), folder)
    assert code is Code.LAG604 and "seed is 0 there and 5 here" in words
    assert "network is 'mlp' there and 'lstm' here" in refusal(dho, LSTM, folder)[1]
    other = type(dho)(replace(dho.spec, source_hash="another"), dho.kernels)
    assert "model is" in refusal(other, MLP, folder)[1]
    code, words = refusal(dho, replace(MLP, systems=128), folder)
    assert code is Code.LAG604 and "38400 systems already" in words
    code, words = refusal(dho, MLP, tmp_path)
    assert code is Code.LAG604 and "holds no checkpoint" in words


def test_an_earlier_run_is_not_replaced_unasked(dho, trained):
    _, folder = trained
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, words = refusal(dho, MLP, folder, resume=False)
    assert code is Code.LAG604 and "earlier run" in words
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": 1}'])
def test_damaged_checkpoint_is_refused(dho, tmp_path, content):
    (tmp_path / "checkpoint.json").write_text(content)
    code, words = refusal(dho, MLP, tmp_path)
    assert code is Code.LAG604 and "damaged" in words


def test_damaged_arrays_are_refused(dho, trained, tmp_path):
    _, folder = trained
    (tmp_path / "checkpoint.json").write_bytes((folder / "checkpoint.json").read_bytes())
    whole = (folder / "checkpoint-300.eqx").read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"junk" * 100):
        (tmp_path / "checkpoint-300.eqx").write_bytes(content)
        code, words = refusal(dho, MLP, tmp_path)
        assert code is Code.LAG604 and "damaged" in words


@pytest.mark.parametrize(
    "change", [{"batch": 0}, {"held_out": -1}, {"seed": 1_000_003}, {"learning_rate": 0.0}]
)
def test_options_out_of_range_are_refused(dho, tmp_path, change):
    assert refusal(dho, replace(MLP, **change), tmp_path, resume=False)[0] is Code.LAG510


def test_output_that_is_a_file_is_refused(dho, tmp_path):
    (tmp_path / "taken").write_text("")
    assert refusal(dho, MLP, tmp_path / "taken", resume=False)[0] is Code.LAG002
