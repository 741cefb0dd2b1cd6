"""Several runs side by side: --seeds, --name, `python utils.py`, and the paired comparison."""

import json
import math
import re
import sys

import neural_nets
import train_utils
import utils
from tests.conftest import visible_files

import pytest
import torch
from scipy import stats
from torch import nn

ERRORS = {  # per cent misread by seed
    "baseline": {0: 2.0, 1: 3.0, 2: 4.0},
    "better": {0: 1.0, 1: 1.9, 2: 3.1},  # changes -1, -1.1, -0.9: mean -1, sd 0.1
    "noisy": {0: 3.0, 1: 3.0, 2: 6.0},  # changes 1, 0, 2: mean 1, sd 1
    "short": {1: 3.5},  # one pair: no interval
}


def test_two_settings_are_compared_as_scipy_does():
    two = {name: ERRORS[name] for name in ("baseline", "better")}
    row = utils.compare_settings(two)[1]
    values = [list(mine.values()) for mine in two.values()]
    low, high = stats.ttest_rel(values[1], values[0]).confidence_interval()
    assert row["difference"] == pytest.approx((low + high) / 2) == pytest.approx(-1)
    assert row["interval"] == pytest.approx((high - low) / 2)
    assert row["verdict"] == "fewer errors"
    swapped = {"better": ERRORS["better"], "baseline": ERRORS["baseline"]}
    assert utils.compare_settings(swapped)[1]["verdict"] == "more errors"


def test_several_settings_are_compared_by_hand():
    """By hand: without the means of setting and seed, (0, 11, -11) / 30 are left of baseline,
    (0, 8, -8) / 30 of better, (0, -19, 19) / 30 of noisy: s^2 = 2 (121 + 64 + 361) / 900 / 4.
    Student's t with 4 degrees of freedom, 5 % / 2 comparisons, on both sides: 3.495. The setting
    with one seed is not compared, so it widens nothing."""
    reach = 3.495 * math.sqrt(2 / 3 * 2 * (121 + 64 + 361) / 900 / 4)
    first, better, noisy, short = utils.compare_settings(ERRORS)
    assert (first["misread"], first["sd"], first["seeds"]) == (3, 1, 3)
    assert (first["difference"], first["interval"], first["verdict"]) == ("", "", "")
    assert better["difference"] == pytest.approx(-1) and noisy["difference"] == 1
    assert better["interval"] == noisy["interval"] == pytest.approx(reach, rel=1e-3)
    assert (short["difference"], short["interval"]) == (0.5, "")
    assert {row["verdict"] for row in (better, noisy)} == {"not told apart"}
    assert short["verdict"] == "one seed alone"


def test_a_network_that_failed_does_not_hide_the_others():
    errors = {"baseline": {0: 2.0, 1: 3.0, 2: 4.0}, "better": {0: 1.0, 1: 1.9, 2: 3.1}}
    failed = errors | {"failed": {0: 90.0, 1: 90.0, 2: 2.0}}
    better, broken = utils.compare_settings(failed)[1:]
    assert better["verdict"] == "fewer errors" and better["interval"] < 0.5
    assert broken["verdict"] == "not told apart" and broken["interval"] > 100


def test_two_equal_differences_do_not_make_a_verdict_certain():
    row = utils.compare_settings({"a": {0: 2.5, 1: 3.0}, "b": {0: 3.0, 1: 3.5}})[1]
    assert (row["difference"], row["verdict"]) == (0.5, "not told apart")
    thirds = {1: 100 - 100 * 0.773333, 2: 100 - 100 * 0.766667}  # equal but for the rounding
    row = utils.compare_settings({"a": thirds, "b": {s: v - 10 for s, v in thirds.items()}})[1]
    assert row["verdict"] == "not told apart"


def test_the_table_says_what_was_found():
    lines = utils.comparison_table(utils.compare_settings(ERRORS)).splitlines()
    lines = [" ".join(line.split()) for line in lines]
    assert lines[1] == "baseline 3.00 +- 1.00"
    assert lines[2] == "better 2.00 +- 1.05 -1.00 +- 1.57 not told apart"
    assert lines[4] == "short 3.50 (1 of 3 seeds) +0.50 one seed alone"
    assert lines[5] == "seeds: 3, paired; comparisons, which widen intervals: 2"


def test_a_copy_tells_nothing_of_chance_and_other_seeds_make_no_pairs():
    """Two copies scatter alike to the last digit: that must not make intervals shorter."""
    errors = {name: ERRORS[name] for name in ("baseline", "noisy")}
    alone = utils.compare_settings(errors | {"short": {7: 1.0}})
    assert alone[2]["verdict"] == "no seed in common" and alone[2]["difference"] == ""
    noisy, short = ERRORS["noisy"], ERRORS["short"]
    copies = utils.compare_settings(errors | {"copy": dict(noisy), "short": short})
    assert copies[1]["interval"] == copies[2]["interval"] > alone[1]["interval"]  # 2 comparisons
    of_two = stats.t.ppf([1 - 0.025 / 2, 1 - 0.025], 2)
    assert copies[1]["interval"] / alone[1]["interval"] == pytest.approx(of_two[0] / of_two[1])


# ------------------------------------------------------------------------ runs of a lesson


def run(small_mnist, folder, *more):
    few = ["--epochs", "2", "--limit", "200", "--hidden", "9", "--quiet", "--no-plots"]
    where = ["--data-dir", small_mnist, "--output-dir", folder]
    return neural_nets.main([str(word) for word in [*few, *where, *more]])


def test_seeds_make_a_folder_each_and_a_line_of_mean_and_spread(small_mnist, tmp_path, as_program):
    alone = run(small_mnist, tmp_path / "alone", "--seed", "4")
    several = run(small_mnist, tmp_path, "--seed", "3", "--seeds", "2", "--name", "mine")
    assert [metrics["seed"] for metrics in several] == [3, 4]
    assert several[1]["test_loss"] == alone["test_loss"] != several[0]["test_loss"]
    for seed, metrics in zip((3, 4), several, strict=True):
        text = (tmp_path / "mine" / f"seed-{seed}" / "metrics.json").read_text()
        assert json.loads(text) == json.loads(json.dumps(metrics))


def test_two_groups_of_seeds_cannot_share_a_folder_at_once(small_mnist, tmp_path, as_program):
    """While one has reached its second seed, the other would write over the first."""
    with utils.hold(tmp_path / "mine"):
        with pytest.raises(utils.UserError, match=f"another run is using {tmp_path}/mine; wait"):
            run(small_mnist, tmp_path, "--seeds", "2", "--name", "mine")
        assert visible_files(tmp_path / "mine") == set()
    assert len(run(small_mnist, tmp_path, "--seeds", "2", "--name", "mine")) == 2


def test_seeds_say_mean_and_spread(tmp_path, capsys):
    def main(argv):
        accuracy = {"3": 0.9, "4": 0.8}[argv[-3]]  # the last words are --seed S --name NAME
        of_pairs = {"test_accuracy": [accuracy, accuracy - 0.1], "test_accuracy_both": accuracy / 2}
        return {"dev_accuracy": accuracy} | of_pairs

    parser = utils.argument_parser("tiny.py", "", epochs=1, batch_size=1, lr=1.0, momentum=0.0)
    argv = ["--seeds", "2", "--output-dir", str(tmp_path), "--seed", "3"]
    assert len(utils.run_seeds(main, parser.parse_args(argv), argv)) == 2
    assert capsys.readouterr().out.splitlines() == [
        "2 seeds: 15.00 +- 7.07 % misread of dev",
        "2 seeds: 20.00 +- 7.07 % misread of test",
        "2 seeds: 57.50 +- 3.54 % of the test pairs with a misread digit",
    ]


def test_reading_with_one_of_several_networks(small_mnist, tmp_path, as_program):
    run(small_mnist, tmp_path, "--seeds", "2", "--name", "mine")
    argv = ["--output-dir", tmp_path, "--name", "mine", "--predict", "a.png"]
    status, _, errors = as_program(neural_nets.main, "neural_nets.py", *argv)
    assert status == 2 and f"as --model {tmp_path}/mine/seed-0/model.npz" in errors


def test_reading_with_a_network_that_is_not_there_or_not_done(small_mnist, tmp_path, as_program):
    argv = ["--output-dir", tmp_path, "--name", "mine", "--predict", "a.png"]
    _, _, errors = as_program(neural_nets.main, "neural_nets.py", *argv)
    assert errors.endswith("; train a network first: python neural_nets.py --name mine\n")
    run(small_mnist, tmp_path, "--name", "mine")
    (tmp_path / "mine" / "model.npz").unlink()  # as if it had been stopped before its end
    _, _, errors = as_program(neural_nets.main, "neural_nets.py", *argv)
    assert errors.endswith("; its run was stopped; end it with --resume\n")


def test_seeds_resume_what_was_begun_and_begin_the_rest(small_mnist, tmp_path):
    whole = run(small_mnist, tmp_path / "whole", "--seeds", "2")
    first = run(small_mnist, tmp_path, "--name", "seed-0")
    files = (tmp_path / "seed-0" / "checkpoint.npz").stat().st_mtime_ns
    resumed = run(small_mnist, tmp_path, "--seeds", "2", "--resume")
    assert (tmp_path / "seed-0" / "checkpoint.npz").stat().st_mtime_ns == files
    assert resumed[0]["seconds"] == first["seconds"]  # not trained again
    assert [m["test_loss"] for m in resumed] == [m["test_loss"] for m in whole]


def test_ctrl_c_in_a_group_says_how_to_go_on(tmp_path, capsys):
    def main(argv):
        raise KeyboardInterrupt("stopped before there was a checkpoint; nothing to resume")

    parser = utils.argument_parser("tiny.py", "", epochs=1, batch_size=1, lr=1.0, momentum=0.0)
    argv = ["--seeds", "2", "--output-dir", str(tmp_path), "--seed", "3"]
    with pytest.raises(
        KeyboardInterrupt, match="stopped at seed 3; the same command with --resume"
    ):
        utils.run_seeds(main, parser.parse_args(argv), argv)


def test_a_finished_run_is_not_replaced_by_what_other_code_makes_of_it(
    small_mnist, tmp_path, monkeypatch
):
    run(small_mnist, tmp_path)
    before = (tmp_path / "metrics.json").read_bytes()
    monkeypatch.setattr(utils, "code_of", lambda path: 1)  # as if somebody had edited the lesson
    with pytest.raises(utils.UserError, match="finished by other code; start anew, without"):
        run(small_mnist, tmp_path, "--resume")
    assert (tmp_path / "metrics.json").read_bytes() == before


def test_a_name_keeps_the_last_run(small_mnist, tmp_path):
    run(small_mnist, tmp_path)
    before = (tmp_path / "metrics.json").read_bytes()
    run(small_mnist, tmp_path, "--name", "other", "--seed", "1")
    assert (tmp_path / "metrics.json").read_bytes() == before
    assert "metrics.json" in visible_files(tmp_path / "other")


@pytest.mark.parametrize("name", ["../other", "/tmp/other", "a/../../b"])
def test_a_name_stays_in_the_folder(name, as_program):
    status, _, errors = as_program(neural_nets.main, "neural_nets.py", "--name", name)
    assert status == 2 and f"{name} is no name" in errors and errors.count("\n") == 1


def test_all_runs_stand_in_a_table(small_mnist, tmp_path, capsys):
    run(small_mnist, tmp_path, "--seeds", "2", "--name", "base")
    run(small_mnist, tmp_path, "--seeds", "2", "--name", "slow", "--lr", "0.001")
    run(small_mnist, tmp_path, "--name", "alone", "--limit", "100")  # other data
    utils.main([str(tmp_path)])
    out = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    tables = "\n".join(out).strip().split("\n\n")
    assert len(tables) == 2 and all(text.startswith("neural_nets.py") for text in tables)
    alone, pair = sorted(tables, key=len)
    assert "alone" in alone and "seeds: " not in alone
    header, base, slow, words = pair.splitlines()[1:]
    assert header.endswith("verdict seeds % of test weights seconds what differs")
    assert f"learning from 180 digits of {small_mnist.name}" in out[0]
    assert base.startswith("base ") and "7,165" in base
    assert slow.startswith("slow ") and slow.endswith("lr 0.001")
    assert words == "seeds: 2, paired; comparisons, which widen intervals: 1"
    errors = {
        seed: 100 - 100 * json.loads(path.read_text())["dev_accuracy"]
        for seed in (0, 1)
        for path in [tmp_path / "slow" / f"seed-{seed}" / "metrics.json"]
    }
    assert f"{sum(errors.values()) / 2:.2f} +- {utils.spread(list(errors.values())):.2f}" in slow


def test_runs_of_other_code_are_rows_of_their_own(small_mnist, tmp_path, capsys, monkeypatch):
    run(small_mnist, tmp_path, "--name", "a single one")  # not what the others are compared with
    run(small_mnist, tmp_path, "--seeds", "2", "--name", "before")
    monkeypatch.setattr(utils, "code_of", lambda path: 1)  # as if somebody had edited the lesson
    run(small_mnist, tmp_path, "--seeds", "2", "--name", "edited")
    path = tmp_path / "a single one" / "metrics.json"  # older runs do not say which code it was
    path.write_text(re.sub(r'"code": \d+,', "", path.read_text()))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "metrics.json").write_text("{")
    utils.main([str(tmp_path)])
    out, err = capsys.readouterr()
    _, _, first, edited, *_ = [" ".join(line.split()) for line in out.splitlines()]
    assert first.startswith("before") and "a single one" in out
    assert edited.startswith("edited ") and edited.endswith("other code")
    assert "damaged" in err and err.count("\n") == 1


def test_a_copy_is_left_out_and_other_results_are_a_row_of_their_own(small_mnist, tmp_path, capsys):
    """Other results of the same settings: of code that the checksum does not cover."""
    for name in ("first", "again", "other"):
        run(small_mnist, tmp_path, "--name", name, "--seeds", "2")
    for path in (tmp_path / "other").rglob("metrics.json"):
        path.write_text(re.sub(r'"test_loss": [\d.]+', '"test_loss": 9.0', path.read_text()))
    utils.main([str(tmp_path)])
    _, _, first, other, _, _, *copies = capsys.readouterr().out.splitlines()
    assert first.startswith("first ") and other.startswith("other ")
    assert other.split()[-2:] == ["other", "results"]
    assert copies == [f"again/seed-{i} is left out: a copy of first/seed-{i}" for i in (0, 1)]
    run(small_mnist, tmp_path, "--name", "other/seed-2", "--seed", "2")  # stays with its group
    utils.main([str(tmp_path)])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    other, first = lines[2:4]
    assert other.startswith("other ") and " 3 " in other and first.startswith("first ")


def test_seeds_of_an_earlier_run_in_the_folder_are_told_apart(small_mnist, tmp_path, capsys):
    run(small_mnist, tmp_path, "--name", "mine", "--seeds", "4")
    run(small_mnist, tmp_path, "--name", "mine", "--seeds", "2", "--lr", "0.01")
    run(small_mnist, tmp_path, "--name", "more", "--seed", "4")
    utils.main([str(tmp_path)])
    _, _, old, new, *_ = (" ".join(line.split()) for line in capsys.readouterr().out.splitlines())
    assert old.startswith("mine/seed-2 and others ")  # and more, which is in another folder
    assert new.startswith("mine ") and "no seed in common" in new and new.endswith("lr 0.01")
    run(small_mnist, tmp_path, "--name", "more", "--seed", "5", "--lr", "0.01")  # not in the way
    (tmp_path / "more" / "metrics.json").unlink()
    utils.main([str(tmp_path)])
    _, _, old, new, *_ = capsys.readouterr().out.splitlines()
    assert old.startswith("mine ") and new.startswith("mine, seeds 0 1 ")


def test_code_is_what_the_lesson_imports_from_its_folder_when_it_begins(tmp_path):
    texts = {"lesson": "import os\nfrom knobs import SLOPE\n", "knobs": "import more\nSLOPE = 1\n"}
    texts |= {"more": "from layers import act", "stranger": "", "layers/__init__": ""}
    texts |= {"layers/act": "import layers.deep", "layers/below": "", "layers/beside": ""}
    texts |= {"layers/deep": "from .below import act\nfrom . import beside"}
    (tmp_path / "layers").mkdir()

    def code(**changes):
        for name, text in (texts | changes).items():
            (tmp_path / f"{name}.py").write_text(text)
        return utils.code_of(tmp_path / "lesson.py")

    first = code()
    assert code(lesson="pass") == first  # edited while it runs
    utils.code_of.cache_clear()
    assert code(stranger="1") == first
    for changes in (
        {"lesson": "import knobs\n"},
        {"knobs": "import more\n"},
        {"more": "1"},
        {"layers/__init__": "1"},
        {"layers/act": "1"},
        {"layers/deep": "1"},
        {"layers/below": "1"},
        {"layers/beside": "1"},
    ):
        utils.code_of.cache_clear()
        assert code(**changes) != first
    utils.code_of.cache_clear()


@pytest.mark.parametrize("prefix", [".venv", "."])
def test_a_virtual_environment_in_the_folder_is_no_part_of_the_code(monkeypatch, tmp_path, prefix):
    """As with `python -m pytest` after the README's `python -m venv .venv`."""
    program = tmp_path / prefix / "bin" / "pytest"
    program.parent.mkdir(parents=True)
    (tmp_path / "lesson.py").write_text("1")

    def code(text):
        program.write_text(text)
        utils.code_of.cache_clear()
        return utils.code_of(tmp_path / "lesson.py")

    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(program))
    monkeypatch.setattr(sys, "prefix", str((tmp_path / prefix).resolve()))
    first = code("1")
    assert (code("2") == first) == (prefix == ".venv")
    (tmp_path / "lesson.py").write_text("2")
    assert code("2") != first
    utils.code_of.cache_clear()


def test_a_run_and_seeds_in_its_folder_are_two_rows(small_mnist, tmp_path, capsys):
    run(small_mnist, tmp_path, "--name", "mine", "--lr", "0.01")
    run(small_mnist, tmp_path, "--name", "mine", "--seeds", "2")
    utils.main([str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("mine ") and lines[3].startswith("mine, seeds 0 ")
    run(small_mnist, tmp_path, "--name", "mine", "--lr", "0.01", "--seed", "2")
    run(small_mnist, tmp_path, "--name", "mine/seed-3", "--lr", "0.01", "--seed", "3")
    utils.main([str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert {line.split("  ")[0] for line in lines[2:4]} == {"mine", "mine, seeds 2 3"}


def unfinished(argv):
    raise NotImplementedError("forward: not written yet")


def test_one_network_of_several_that_fails_costs_a_line(tmp_path, capsys):
    def main(argv):
        if argv[-3] == "3":  # the last words are --seed S --name NAME
            raise utils.UserError("the loss is no longer a number")
        return {"dev_accuracy": 0.9, "test_accuracy": 0.8}

    parser = utils.argument_parser("tiny.py", "", epochs=1, batch_size=1, lr=1.0, momentum=0.0)
    argv = ["--seeds", "2", "--output-dir", str(tmp_path), "--seed", "3"]
    assert len(utils.run_seeds(main, parser.parse_args(argv), argv)) == 1
    printed = capsys.readouterr()
    assert printed.err == "tiny.py: seed 3: the loss is no longer a number\n"
    with pytest.raises(NotImplementedError):  # an exercise that is not done is said once
        utils.run_seeds(unfinished, parser.parse_args(argv), argv)
    assert printed.out.startswith("1 of 2 seeds, the others failed: 10.00 % misread of dev")


class Forgetful(nn.Module):
    def forward(self, x):
        x + 1


class Gate(nn.Module):
    """An activation of something that is no layer of units, and a module that is given a tuple."""

    def __init__(self):
        super().__init__()
        self.share, self.squash = nn.Parameter(torch.zeros(3)), nn.Sigmoid()

    def forward(self, x):
        return x * self.squash(self.share).sum()


class Pair(nn.Module):
    def forward(self, x):
        return x[0] if isinstance(x, tuple) else (x, x)


def test_layers_of_ones_own_are_tried_out_and_looked_into():
    model = nn.Sequential(Pair(), Pair(), Gate(), nn.Flatten(), nn.Linear(4, 2), nn.ReLU())
    assert train_utils.try_out(model, torch.ones(5, 1, 2, 2)).shape == (5, 2)
    assert [out.shape for out in train_utils.behind_activations(model, torch.ones(5, 1, 2, 2))] == [
        (5, 2)
    ]


def test_a_head_too_many_or_too_small_is_said_before_training():
    pairs = {"dev": (torch.zeros(4, 1, 42, 28), torch.zeros(2, 4, dtype=torch.long))}
    one = nn.Sequential(nn.Flatten(), nn.Linear(42 * 28, 10))
    words = r"gives \(N, 10\) for N images; the labels need \(N, 10\) for the upper and for"
    with pytest.raises(utils.UserError, match=words):
        train_utils.check_model(one, pairs)
    with pytest.raises(utils.UserError, match="gives a NoneType: is a return missing?"):
        train_utils.check_model(Forgetful(), pairs)
    three = {"dev": (pairs["dev"][0], torch.zeros(3, 4, dtype=torch.long))}
    with pytest.raises(utils.UserError, match="of 3 digits; this collection counts one or two"):
        train_utils.check_model(nn.Sequential(), three)
    train_utils.check_model(one, {"dev": (pairs["dev"][0], torch.zeros(4, dtype=torch.long))})
    with pytest.raises(utils.UserError, match=r"gives \(N, 5\)"):
        train_utils.check_model(nn.Sequential(nn.Flatten(), nn.Linear(42 * 28, 5)), pairs)


def test_a_folder_without_runs_says_so(tmp_path, as_program):
    status, _, errors = as_program(lambda: utils.main([str(tmp_path)]), "utils.py")
    assert status == 2 and f"there are no runs in {tmp_path}" in errors
    status, _, errors = as_program(lambda: utils.main([str(tmp_path / "none")]), "utils.py")
    assert status == 2 and f"there is no folder {tmp_path}/none" in errors


def test_layers_that_do_not_fit_are_named_with_what_reaches_them():
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(30, 10))
    with pytest.raises(utils.UserError) as error:
        train_utils.try_out(model, torch.zeros(1, 1, 28, 28))
    assert "Linear(in_features=30, out_features=10, bias=True) gets (N, 20)" in str(error.value)
    assert not any(layer._forward_pre_hooks for layer in model.modules())
    flat = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm1d(4))  # PyTorch raises a ValueError
    with pytest.raises(utils.UserError, match=r"BatchNorm1d.* gets \(N, 4, 26, 26\)"):
        train_utils.try_out(flat, torch.zeros(1, 1, 28, 28))
    model[3] = nn.Linear(20, 10)
    assert train_utils.try_out(model, torch.zeros(2, 1, 28, 28)).shape == (2, 10)
