"""Training: better than knowing nothing, resumable to the last bit, and honest about its files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.learn.data import Recording
from lagc.learn.family import draw_many, held_out, make_family, selected
from lagc.learn.log import read_log
from lagc.learn.predict import _moved_far, _outside, predict
from lagc.learn.progress import Progress
from lagc.learn.run_folder import load_run, with_initial
from lagc.learn.train import train
from lagc.learn.train_options import TrainOptions, TrainReport
from lagc.runtime import System

TINY = TrainOptions(steps=20, step=0.2, held_out=256, batch=256, checkpoint_every=50)
MLP = replace(TINY, features="trajectory", systems=256 * 500, width=64)
SMALL = replace(MLP, systems=256, held_out=4, width=4, missing=(0.1, 0.1))
# Everything that members can differ in, and channels that leave the scale open.
LSTM = replace(
    TINY,
    network="lstm",
    systems=256 * 60,
    width=16,
    observed="q,v",
    states="normal",
    step=(0.05, 0.2),
    noise=(0.0, 0.02),
    missing=(0.0, 0.2),
)
FILES = {"checkpoint.json", "held_out.npz", "log.jsonl", "network.eqx", "report.json", "run.json"}


@pytest.fixture(scope="module")
def kicked(dho) -> System:
    """The damped oscillator from q = 0 with p = 1."""
    return with_initial(dho, {"q": 0.0, "p[q]": 1.0})


@pytest.fixture(scope="module")
def trained(kicked, tmp_path_factory) -> tuple[TrainReport, Path]:
    folder = tmp_path_factory.mktemp("mlp")
    return train(kicked, MLP, output=folder), folder


@pytest.fixture(scope="module")
def varied(dho, tmp_path_factory) -> tuple[TrainReport, Path]:
    folder = tmp_path_factory.mktemp("lstm")
    return train(dho, LSTM, output=folder), folder


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


def test_perceptron_on_trajectories_alone_beats_the_baselines(trained):
    report, _ = trained
    by = factors(report)
    assert by["c1"] > 4 and by["c2"] > 4 and by["c3"] > 1.5
    # Pooled errors are those of the light masses, which take longer.
    assert by["p pooled"] > 2
    assert by["q median"] > 5 and by["p median"] > 5
    assert report.held == {} and report.coefficients["c1"].regression_rmse is None


def test_baseline_is_that_of_the_law(trained):
    # Always saying the mean errs by the standard deviation of the law.
    report, _ = trained
    assert report.coefficients["c1"].baseline_rmse == pytest.approx(19.99 / 12**0.5, rel=0.1)


def test_recurrent_network_with_regression_on_all_that_varies(varied):
    report, _ = varied
    assert report.held == {"c1": 0.5} and set(report.coefficients) == {"c2", "c3"}
    assert set(report.trajectories) == {"q", "v"}
    by = factors(report)
    assert by["c2"] > 20 and by["c3"] > 10 and by["q median"] > 20 and by["v median"] > 20
    for e in report.coefficients.values():
        # 256 held-out systems: 4 standard errors of a part are 5 %.
        assert e.coverage95 == pytest.approx(0.95, abs=0.055)


def test_report_says_what_was_done_and_is_saved(trained):
    report, folder = trained
    assert (report.systems_seen, report.updates) == (256 * 500, 500)
    assert report.held_out + report.held_out_dropped == 256
    assert report.supervision == "coefficients"
    assert json.loads((folder / "report.json").read_text()) == report.as_json()
    assert {p.name for p in folder.iterdir()} == FILES | {"checkpoint-500.eqx"}
    log = read_log(folder / "log.jsonl")
    assert [line["update"] for line in log] == list(range(20, 501, 20))
    assert log[0]["loss"] > log[-1]["loss"] == report.loss
    assert set(log[-1]["validation"]) == {"c1", "c2", "c3"}


def test_interrupted_resumed_and_extended_run_is_the_same_to_the_last_bit(
    kicked, trained, tmp_path
):
    def interrupt(progress: Progress) -> None:
        if progress.done == 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(kicked, replace(MLP, systems=256 * 100), output=tmp_path, progress=interrupt)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["updates"] == 70
    with pytest.raises(LagcError, match="LAG605"):
        load_run(tmp_path, kicked)  # not trained to the end
    report = train(kicked, MLP, output=tmp_path, resume=True)
    whole, folder = trained
    assert replace(report, seconds=0, cpu_seconds=0) == replace(whole, seconds=0, cpu_seconds=0)
    for name in ("checkpoint-500.eqx", "network.eqx"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    logs = (read_log(path / "log.jsonl") for path in (tmp_path, folder))
    assert [x["loss"] for x in next(logs)] == [x["loss"] for x in next(logs)]


def recordings(members, observed: str, count: int) -> list[Recording]:
    """Members as recordings."""
    result = []
    for i in range(count):
        t = np.asarray(members.t if members.t.ndim == 1 else members.t[i])
        q, v, p = (np.asarray(x[i]) for x in (members.q, members.v, members.p))
        by_velocity = observed == "q,v"
        result.append(
            Recording(f"{i}", t, q, v if by_velocity else None, None if by_velocity else p)
        )
    return result


def test_restored_network_predicts_as_reported(kicked, trained):
    report, folder = trained
    run = load_run(folder, kicked)
    members, _ = held_out(make_family(kicked, dt=0.2, steps=20), MLP.held_out_seed, 256)
    found = predict(run, recordings(members, "q,p", 256), polish=False)
    values = np.array([list(x.values.values()) for x in found])
    errors = np.sqrt(np.mean((values - members.coefficients) ** 2, axis=0))
    assert errors == pytest.approx([e.rmse for e in report.coefficients.values()], rel=1e-5)
    assert values[:, 0].min() >= 0.01 and (values[:, 1:] >= 0).all()


def test_predictions_of_runs_with_states_and_steps_of_their_own(dho, varied):
    _, folder = varied
    run = load_run(folder, dho)
    family = make_family(dho, dt=(0.06, 0.19), steps=20, states="normal")
    members = draw_many(family, jax.random.key(8), 100)
    coefficients = np.asarray(members.coefficients)
    members = selected(members, (coefficients[:, 0] > 5) & (coefficients[:, 2] > 1))
    count = len(members.coefficients)
    found = predict(run, recordings(members, "q,v", count), polish=False)
    errors, covered = [], 0
    for i, x in enumerate(found):
        true = np.asarray(members.coefficients[i]) * 0.5 / float(members.coefficients[i, 0])
        c1 = x.coefficients["c1"]
        # The scale is held where a fit would hold it.
        assert c1.value == 0.5 and not c1.identifiable and c1.interval95 is None
        for name, value in zip(("c2", "c3"), true[1:], strict=True):
            estimate = x.coefficients[name]
            assert estimate.interval95 is not None
            errors.append(abs(estimate.value - value) / value if value else 0.0)
            covered += estimate.interval95[0] <= value <= estimate.interval95[1]
    assert np.median(errors) < 0.05
    assert covered > 0.85 * 2 * count


def exact(rows: int, dt: float, start: float = 0.0) -> Recording:
    """A slow oscillation, for questions of rows alone."""
    t = dt * np.arange(rows)
    return Recording("r", t, start + np.sin(t)[:, None], None, np.cos(t)[:, None])


def test_rows_that_do_not_fit_are_brought_to_fit_or_refused(kicked, trained):
    _, folder = trained
    run = load_run(folder, kicked)

    def said(recording: Recording) -> tuple[str, ...]:
        return predict(run, [recording], polish=False)[0].notes

    def refused(recording: Recording) -> str:
        with pytest.raises(LagcError) as caught:
            predict(run, [recording], polish=False)
        assert caught.value.diagnostics[0].code is Code.LAG607
        return caught.value.diagnostics[0].message

    assert said(exact(21, 0.2)) == ()
    assert said(exact(30, 0.2)) == ("the network saw the rows to t = 4, of 5.8",)
    assert said(exact(41, 0.1)) == ("the network saw one row in 2 of r",)
    (note,) = said(exact(60, 0.07))
    assert "resampled to 21 rows at intervals of 0.2" in note
    plain = predict(run, [exact(21, 0.2), exact(60, 0.07)], polish=False)
    for name in ("c1", "c2", "c3"):
        one, other = (x.coefficients[name].value for x in plain)
        assert one == pytest.approx(other, rel=0.02, abs=0.05)
    assert "21 rows at intervals of 0.2" in refused(exact(20, 0.2))
    assert "apart" in refused(exact(10, 0.5))
    assert "begins at q = 2" in refused(exact(21, 0.2, start=2.0))
    assert "no values of p[q]" in refused(replace(exact(21, 0.2), p=None))
    gap = exact(21, 0.2)
    gap.q[5:9] = np.nan
    assert "apart" in refused(gap)


@pytest.mark.parametrize("damage", ["{", "[]", '{"format": 7}', '{"format": 1}'])
def test_damaged_folders_are_refused(kicked, trained, tmp_path, damage):
    _, folder = trained
    for name in ("run.json", "network.eqx"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    other = type(kicked)(replace(kicked.spec, source_hash="another"), kicked.kernels)
    with pytest.raises(LagcError, match="LAG606"):
        load_run(tmp_path, other)
    (tmp_path / "network.eqx").write_bytes(b"junk")
    with pytest.raises(LagcError, match="LAG605"):
        load_run(tmp_path, kicked)
    (tmp_path / "run.json").write_text(damage)
    with pytest.raises(LagcError, match="LAG605"):
        load_run(tmp_path, kicked)


@pytest.fixture(scope="module")
def small(kicked, tmp_path_factory) -> Path:
    """Hardly trained at all."""
    folder = tmp_path_factory.mktemp("small")
    train(kicked, SMALL, output=folder)
    return folder


def test_weights_and_calibration_that_are_not_whole_are_refused(kicked, small, tmp_path):
    for name in ("run.json", "network.eqx"):
        (tmp_path / name).write_bytes((small / name).read_bytes())
    path = tmp_path / "run.json"
    whole = json.loads(path.read_text())
    run = load_run(tmp_path, kicked)
    spoilt = [{k: v for k, v in whole.items() if k != "network"}]
    spoilt += [
        {**whole, "reader": {**whole["reader"], name: whole["reader"][name][:-1]}}
        for name in ("centre", "width", "widening")
    ]
    for content in spoilt:
        path.write_text(json.dumps(content))
        with pytest.raises(LagcError, match="LAG605"):
            load_run(tmp_path, kicked)
    weights = (tmp_path / "network.eqx").read_bytes()
    (tmp_path / "network.eqx").write_bytes(weights[:-9] + b"\x01" + weights[-8:])
    path.write_text(json.dumps(whole))
    with pytest.raises(LagcError, match="LAG605"):
        load_run(tmp_path, kicked)
    del whole["sha256"]  # as in folders of before there was one
    path.write_text(json.dumps(whole))
    load_run(tmp_path, kicked)
    nothing = jax.tree_util.tree_map(
        lambda x: x * np.nan if eqx.is_inexact_array(x) else x, run.network
    )
    eqx.tree_serialise_leaves(tmp_path / "network.eqx", nothing)
    with pytest.raises(LagcError, match="LAG605"):
        load_run(tmp_path, kicked)


def test_what_a_network_does_not_know_is_noted(kicked, small):
    run = load_run(small, kicked)
    assert 2 <= run.gap <= 4  # of 21 rows
    t = np.arange(21) * 0.2
    q = np.sin(t)[:, None]
    own = Recording("own", t, q, None, np.cos(t)[:, None])

    def notes(**change) -> str:
        (found,) = predict(run, [replace(own, **change)], polish=False)
        return "; ".join(found.notes)

    assert "unlike" not in notes() and "in a row" not in notes()
    assert "unlike" in notes(q=np.where(t[:, None] > 0, 1e4 * q, q))
    for gone in ([3, 4, 7, 13, 17], [5, 20]):
        there = np.setdiff1d(np.arange(21), gone)
        assert own.p is not None
        empty = replace(own, q=own.q.copy(), p=own.p.copy())
        empty.q[gone], empty.p[gone] = np.nan, np.nan
        short = replace(own, times=t[there], q=own.q[there], p=own.p[there])
        found, same = predict(run, [short, empty], polish=False)
        assert found.values == same.values
        assert f"{len(gone)} rows absent from own count as missing values" in found.notes
    with pytest.raises(LagcError, match="LAG607"):
        predict(run, [replace(own, times=t[::3], q=own.q[::3], p=own.p[::3])], polish=False)
    assert "in 9 rows in a row" in notes(q=np.where(np.abs(t[:, None] - 2) < 0.9, np.nan, q))
    (found,) = predict(run, [own])
    first = found.coefficients["c1"]
    at_end = {**found.coefficients, "c1": replace(first, value=20.0)}
    assert [x for x in _outside(run, at_end, unlike=False) if "`c1` is at the end 20" in x]
    # Zero has a weight of its own among the values of c2.
    middle = {name: replace(e, value=0.0) for name, e in found.coefficients.items()}
    middle["c1"] = replace(first, value=1.0)
    assert not list(_outside(run, middle, unlike=False))
    assert found.fit is not None
    sure = {n: replace(e, std=1e-9 * e.value) for n, e in found.fit.coefficients.items()}
    apart = {n: replace(e, value=2 * e.value) for n, e in sure.items()}
    found = replace(found, fit=replace(found.fit, converged=True, coefficients=sure))
    assert len(list(_moved_far(replace(found, coefficients=apart)))) == 3
    assert not list(_moved_far(replace(found, coefficients=sure)))


def refusal(system, options, folder, **more) -> tuple[Code, str]:
    with pytest.raises(LagcError) as caught:
        train(system, options, output=folder, resume=more.get("resume", True))
    return caught.value.diagnostics[0].code, caught.value.diagnostics[0].message


def test_checkpoints_of_other_runs_are_refused(kicked, trained, tmp_path):
    _, folder = trained
    code, words = refusal(kicked, replace(MLP, seed=5), folder)
    assert code is Code.LAG604 and "seed is 0 there and 5 here" in words
    assert (
        "network is 'mlp' there and 'lstm' here"
        in refusal(kicked, replace(MLP, network="lstm"), folder)[1]
    )
    other = type(kicked)(replace(kicked.spec, source_hash="another"), kicked.kernels)
    assert "model is" in refusal(other, MLP, folder)[1]
    code, words = refusal(kicked, replace(MLP, systems=128), folder)
    assert code is Code.LAG604 and "128000 systems already" in words
    code, words = refusal(kicked, MLP, tmp_path)
    assert code is Code.LAG604 and "holds no checkpoint" in words


def test_an_earlier_run_is_not_replaced_unasked(kicked, trained):
    _, folder = trained
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, words = refusal(kicked, MLP, folder, resume=False)
    assert code is Code.LAG604 and "earlier run" in words
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": 1}'])
def test_damaged_checkpoint_is_refused(kicked, tmp_path, content):
    (tmp_path / "checkpoint.json").write_text(content)
    code, words = refusal(kicked, MLP, tmp_path)
    assert code is Code.LAG604 and "damaged" in words


def test_damaged_arrays_are_refused(kicked, trained, tmp_path):
    _, folder = trained
    (tmp_path / "checkpoint.json").write_bytes((folder / "checkpoint.json").read_bytes())
    whole = (folder / "checkpoint-500.eqx").read_bytes()
    middle = len(whole) // 2
    for content in (whole[:middle], whole[:middle] + 96 * b"\xff" + whole[middle + 96 :]):
        (tmp_path / "checkpoint-500.eqx").write_bytes(content)
        code, words = refusal(kicked, MLP, tmp_path)
        assert code is Code.LAG604 and "damaged" in words


def test_a_network_that_is_lost_ends_its_training(kicked, tmp_path):
    options = replace(SMALL, systems=256 * 4, learning_rate=1e36)
    code, words = refusal(kicked, options, tmp_path, resume=False)
    assert code is Code.LAG603 and "not finite" in words


@pytest.mark.parametrize(
    "change",
    [
        {"batch": 0},
        {"held_out": -1},
        {"seed": 1_000_003},
        {"seed": -1},
        {"seed": 2**63},
        {"learning_rate": 0.0},
        {"step": (0.2, 0.1)},
        {"noise": (-0.1, 0.1)},
        {"missing": (0.0, 1.0)},
        {"passes": 0},
        {"states": "free"},
        {"spread": 0.0},
        {"features": "none"},
    ],
)
def test_options_out_of_range_are_refused(kicked, tmp_path, change):
    assert refusal(kicked, replace(MLP, **change), tmp_path, resume=False)[0] is Code.LAG510


def test_output_that_is_a_file_is_refused(kicked, tmp_path):
    (tmp_path / "taken").write_text("")
    assert refusal(kicked, MLP, tmp_path / "taken", resume=False)[0] is Code.LAG002
