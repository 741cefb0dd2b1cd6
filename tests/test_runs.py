"""utils.Run and start_run: the record of a run, how it is resumed, its report and its pictures."""

import csv
import json
import math
import os
import re
import subprocess
import sys
import types

import mlp
import neural_nets
import nnet_cnn
import nnet_fc
import train_utils
import utils
from tests.conftest import (
    PICTURES,
    ROOT,
    chances_of,
    figures_drawn,
    run_script,
    visible_files,
    write_mnist,
)
from utils import UserError

import numpy as np
import pytest
import torch

# ----------------------------------------------------------------- a lesson that takes no time


class Lesson:
    """A lesson whose network is three random steps an epoch, and whose dev accuracy is given."""

    def __init__(self, folder, data=None, accuracies=(0.5, 0.9, 0.8, 0.9, 0.7), **facts):
        self.file, self.data, self.facts = folder / "tiny.py", data, facts
        self.accuracies, self.stop_in = accuracies, None
        self.weights = {"W 1": np.zeros((2, 3), np.float32), "step": np.array(0)}

    def __call__(self, *argv):
        parser = utils.argument_parser(self.file, "", epochs=5, batch_size=1, lr=0.1, momentum=0.9)
        parser.add_setting("--hidden", type=int, nargs="+", default=[100])
        self.args = args = parser.parse_args([str(option) for option in argv])
        facts = {"layers": "one", "augmentation": {"shift": (1, 2)}} | self.facts
        data = {"train": [()], "dev": [()], "checksum": facts.pop("checksum", 5)}
        if self.data:
            data = utils.load_digits(args)
        with utils.start_run(args, data, 6, **facts) as run:
            self.run = run
            for epoch in run.epochs(lambda: self.weights, self.weights.update):
                rng = np.random.default_rng(run.seed_of(epoch))
                for _ in range(3):
                    self.weights["W 1"] += rng.normal(size=(2, 3))  # in place, as optimizers do
                self.weights["step"] += 3
                if epoch == self.stop_in:
                    raise KeyboardInterrupt
                dev = (0.25, self.accuracies[epoch - 1])
                run.record((0.5, 0.75), dev, 0.1, self.weights)
            self.report(run, args)
        return run

    def report(self, run, args):
        probabilities, labels = chances_of([7, 1, 1, 2], 0.9), np.array([[7, 1, 2, 2]])
        utils.write_report(run, args, labels, probabilities, **FACTS)
        if not args.no_plots:
            utils.draw_results(run, np.zeros((4, 28, 28)), labels, probabilities)


FACTS = {"examples": 10, "device": "cpu", "precision": "fp32", "parameters": 6, "versions": {}}


def outcome(lesson):
    run = lesson.run
    rows = [{**row, "seconds": 0} for row in run.history]
    arrays = {**lesson.weights, **{f"best {name}": array for name, array in run.best.items()}}
    return rows, {name: np.asarray(array).tobytes() for name, array in arrays.items()}


def stopped(lesson, epoch, *argv):
    """Run a lesson that is interrupted in an epoch; returns the last words."""
    lesson.stop_in = epoch
    with pytest.raises(KeyboardInterrupt) as stop:
        lesson(*argv)
    return str(stop.value)


@pytest.fixture
def half_done(tmp_path):
    """A folder "project" with the run of a lesson that was interrupted in its third epoch."""
    stopped(Lesson(tmp_path / "project"), 3)
    return tmp_path / "project"


# -------------------------------------------------------------------- history, best, checkpoint


def test_a_run_keeps_the_weights_of_its_best_epoch_the_last_of_equals(tmp_path):
    short, whole = Lesson(tmp_path / "a"), Lesson(tmp_path / "b")
    short("--no-plots", "--epochs", 4)
    run = whole("--no-plots")
    assert utils.chosen_row(run.history)["epoch"] == 4
    assert run.best["W 1"].tobytes() == short.weights["W 1"].tobytes()
    assert run.best["W 1"].tobytes() != whole.weights["W 1"].tobytes()  # of epoch 5
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4, 5]
    assert run.history[1] | {"seconds": 0} == {
        "epoch": 2,
        "train_loss": 0.5,
        "train_accuracy": 0.75,
        "dev_loss": 0.25,
        "dev_accuracy": 0.9,
        "lr": 0.1,
        "seconds": 0,
    }


def test_a_resumed_run_ends_with_the_same_bits(tmp_path):
    """Its best epoch is the fourth, before the one in which it was stopped."""
    whole, early, again, twice = (Lesson(tmp_path / name) for name in "abbb")
    whole("--no-plots")
    words = stopped(early, 5)
    assert words == "stopped; the same command with --resume goes on after epoch 4"
    again("--resume", "--no-plots")
    assert outcome(again) == outcome(whole)
    twice("--resume", "--no-plots")  # nothing is left to do
    assert outcome(twice) == outcome(whole)
    twice.weights["W 1"] += 1
    assert outcome(twice) != outcome(whole)  # or this would compare nothing


def test_another_seed_gives_other_numbers():
    seeds = [utils.Run(1, seed).seed_of(epoch) for seed in range(3) for epoch in range(1, 99)]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(
    ("train", "dev"),
    [
        ((math.nan, 0.1), (0.2, 0.1)),
        ((0.1, 0.1), (math.inf, 0.1)),
        (((0.1, math.inf), (0.1, 0.1)), ((0.1, 0.1), (0.1, 0.1))),
    ],
    ids=["train", "dev", "one of two"],
)
def test_an_infinite_loss_is_refused_and_the_checkpoint_before_it_stays(tmp_path, train, dev):
    run, w = utils.Run(3, 0, tmp_path, {}), {"w": np.zeros(1)}
    epochs = run.epochs(lambda: w, None)
    next(epochs)
    run.record((0.5, 0.75), (0.25, 0.5), 0.1, w)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    next(epochs)
    w["w"] += 1
    with pytest.raises(UserError, match="the loss is no longer a number: .* lower --lr"):
        run.record(train, dev, 0.1, w)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
    assert len(run.history) == 1 and run.best["w"] == 0


def test_an_epoch_takes_a_line_unless_quiet(tmp_path, capsys):
    Lesson(tmp_path / "a")("--no-plots", "--quiet")
    assert capsys.readouterr() == ("", "")
    run = Lesson(tmp_path / "b")("--no-plots")
    out, errors = capsys.readouterr()
    for row in run.history:
        assert f"{utils.epoch_line(row, 5)}\n" in out
    assert out.startswith("6 weights learn from 0 images; dev has 0\nepoch 1/5   train loss 0.5000")
    assert errors == ""


def test_a_row_of_two_digits_names_both():
    row = utils.history_row(1, ((0.5, 0.6), (0.7, 0.8)), ((0.1, 0.2), (0.3, 0.4)), 0.1, 2.0)
    assert row["train_loss_upper"] == 0.5 and row["dev_accuracy_lower"] == 0.4
    assert utils.row_values(row, "dev_loss") == (0.1, 0.2)
    line = "epoch  1/10   train loss 0.5000 / 0.6000  70.00 / 80.00 %   dev loss "
    assert utils.epoch_line(row, 10) == f"{line}0.1000 / 0.2000  30.00 / 40.00 %   2.0 s"


# ----------------------------------------------------------------- what --resume takes and refuses


def test_what_does_not_change_a_run_does_not_keep_it_from_being_resumed(half_done, tmp_path):
    """Where the project and the data lie, what is printed, and defaults that are typed."""
    half_done.rename(tmp_path / "moved")
    argv = ["--resume", "--no-plots", "--quiet", "--data-dir", "/elsewhere"]
    run = Lesson(tmp_path / "moved")(*argv, "--seed", 0, "--hidden", 100)
    assert len(run.history) == 5 and run.folder == tmp_path / "moved" / "runs" / "tiny"


def test_a_run_of_other_code_is_resumed_with_a_word_and_an_older_one_without(half_done, capsys):
    path = half_done / "runs" / "tiny" / "checkpoint.npz"
    arrays = utils.read_arrays(path)
    for known in (True, False):
        facts = json.loads(arrays["facts"].item())
        facts = facts | {"code": 1} if known else {k: v for k, v in facts.items() if k != "code"}
        utils.write_arrays(path, arrays | {"facts": np.array(json.dumps(facts))})
        assert len(Lesson(half_done)("--resume", "--no-plots", "--quiet").history) == 5
        assert ("the code has changed" in capsys.readouterr().err) == known


def test_a_copy_of_the_data_resumes_and_other_data_do_not(tmp_path):
    data, copy = write_mnist(tmp_path / "data", 30, 10), tmp_path / "copy"
    stopped(Lesson(tmp_path, data), 3, "--data-dir", data)
    data.rename(copy)
    other = write_mnist(tmp_path / "other", 31, 10)
    words = r"checkpoint\.npz was made with other data; give"
    with pytest.raises(UserError, match=words):
        Lesson(tmp_path, other)("--resume", "--data-dir", other)
    run = Lesson(tmp_path, copy)("--resume", "--no-plots", "--data-dir", copy)
    assert len(run.history) == 5


@pytest.mark.parametrize(
    ("argv", "facts", "words"),
    [
        (["--lr", 0.2], {}, "made with lr 0.1, not 0.2; give the same settings, or leave out"),
        (["--hidden", 7, 8], {}, r"made with hidden \[100\], not \[7, 8\]"),
        ([], {"layers": "two"}, "made with other layers; give the same settings, or leave out"),
        ([], {"checksum": 6}, "made with other data; give the same settings, or leave out"),
        ([], {"new": 1}, "made with new None, not 1"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_another_recipe_is_refused_in_a_line_and_the_checkpoint_stays(
    half_done, argv, facts, words
):
    checkpoint = half_done / "runs" / "tiny" / "checkpoint.npz"
    before = checkpoint.read_bytes()
    with pytest.raises(UserError, match=rf"checkpoint\.npz was {words}") as error:
        Lesson(half_done, **facts)("--resume", *argv)
    assert "--resume" in str(error.value) and "\n" not in str(error.value)
    assert checkpoint.read_bytes() == before
    assert len(Lesson(half_done)("--resume", "--no-plots").history) == 5


def test_resuming_the_run_of_another_lesson_names_it(half_done):
    other = Lesson(half_done)
    other.file = half_done / "other.py"
    argv = ["--resume", "--output-dir", half_done / "runs" / "tiny", "--hidden", 5]
    with pytest.raises(UserError, match=r"checkpoint\.npz was made with script tiny, not other;"):
        other(*argv)


def test_arrays_that_are_no_checkpoint_are_refused(half_done):
    path = half_done / "runs" / "tiny" / "checkpoint.npz"
    utils.write_arrays(path, {"W 1": np.zeros(3)})  # of a model.npz, say
    with pytest.raises(UserError, match=r"checkpoint\.npz is no checkpoint of this network"):
        Lesson(half_done)("--resume")


# --------------------------------------------------------------------- the folder, and Ctrl-C


def test_without_a_checkpoint_nothing_is_resumed_and_no_folder_made(tmp_path):
    with pytest.raises(UserError, match=r"no .*checkpoint\.npz to resume; leave out --resume"):
        Lesson(tmp_path)("--resume")
    assert not (tmp_path / "runs").exists()


def test_two_runs_cannot_share_a_folder_at_once(tmp_path):
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    hold = (
        f"import filelock; lock = filelock.FileLock({str(folder / '.lock')!r}); lock.acquire()\n"
        "print('held', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=f"another run is using {folder}; wait, or give"):
        Lesson(tmp_path)()
    assert visible_files(folder) == set()
    other.kill()  # the lock goes with its process, even one that could not tidy up
    other.communicate()
    Lesson(tmp_path)("--no-plots")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(UserError, match=f"cannot write to {tmp_path}/runs/tiny: .*--output-dir"):
        Lesson(tmp_path)()


def test_stopped_before_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    words = "stopped before there was a checkpoint; nothing to resume"
    assert stopped(Lesson(tmp_path), 1) == words
    args = Lesson(tmp_path)
    args("--no-plots")
    with pytest.raises(utils.Terminated, match="^sweep.csv has"), utils.start_run(args.args):
        raise utils.Terminated("sweep.csv has what was finished")


def test_ctrl_c_while_a_checkpoint_is_read_says_that_it_is_there(half_done, monkeypatch, ctrl_c):
    monkeypatch.setattr(utils, "read_arrays", lambda path: ctrl_c())
    with pytest.raises(KeyboardInterrupt, match="--resume goes on as before"):
        Lesson(half_done)("--resume")


def test_ctrl_c_while_pictures_are_drawn_leaves_the_figures_of_this_run(
    tmp_path, monkeypatch, ctrl_c
):
    """SIGTERM too: it stays what it was."""
    monkeypatch.setattr(utils, "draw_confusion", lambda *_: ctrl_c())
    lesson = Lesson(tmp_path)
    with pytest.raises(KeyboardInterrupt, match="--resume goes on after epoch 5"):
        lesson()
    files = {"metrics.json", "history.csv", "checkpoint.npz", "learning_curves.png"}
    assert visible_files(lesson.run.folder) == files

    def terminate(*_):
        raise utils.Terminated

    monkeypatch.setattr(utils, "draw_confusion", terminate)
    with pytest.raises(utils.Terminated, match="--resume goes on after epoch 5"):
        lesson("--resume")


# ----------------------------------------------------------------------------- the report


def test_metrics_and_history_say_what_the_run_was(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lesson = Lesson(tmp_path)
    run = lesson("--hidden", 7, "--no-plots")
    metrics = json.loads((run.folder / "metrics.json").read_text())
    seconds = sum(row["seconds"] for row in run.history)
    wanted = {"script": "tiny", "test_accuracy": 0.75, "test_errors": 1, "test_examples": 4}
    wanted |= {"dev_accuracy": 0.9, "chosen_epoch": 4, "epochs": 5, "seed": 0, "seconds": seconds}
    wanted |= {"parameters": 6, "device": "cpu", "precision": "fp32"}
    wanted |= {"examples_per_second": 50 / seconds}
    assert {name: metrics[name] for name in wanted} == wanted
    assert metrics["settings"] == json.loads(json.dumps(run.settings))
    assert metrics["settings"]["hidden"] == [7] and metrics["settings"]["layers"] == "one"
    assert {"python", "numpy"} == metrics["versions"].keys() and "examples" not in metrics
    with (run.folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = "epoch train_loss train_accuracy dev_loss dev_accuracy lr seconds"
    assert list(rows[0]) == names.split()
    assert [{name: float(value) for name, value in row.items()} for row in rows] == run.history
    out = capsys.readouterr().out
    assert "test: 75.00 % of 4 right" in out and "1 misread" in out
    assert "weights: of epoch 4 of 5, the best on dev" in out
    assert "results in runs/tiny: metrics.json, history.csv, the weights\n" in out


def test_test_figures_of_one_and_of_two_heads():
    chances = np.array([[[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]], [[0.3, 0.7], [0.9, 0.1], [0.2, 0.8]]])
    labels = np.array([[0, 1, 1], [1, 0, 0]])  # the second upper and the third lower are misread
    one = utils.test_figures(chances[:1], labels[:1])
    assert one["test_accuracy"] == pytest.approx(2 / 3) and one["test_errors"] == 1
    assert one["test_loss"] == pytest.approx(-np.log([0.8, 0.5, 0.9]).mean())
    two = utils.test_figures(chances, labels)
    assert two["test_accuracy"] == pytest.approx([2 / 3, 2 / 3])
    assert two["test_accuracy_both"] == pytest.approx(1 / 3) and two["test_errors"] == 2


def test_the_interval_is_wilsons():
    # 95 % interval for 8 of 10: 0.4902 to 0.9433 (Newcombe, Statistics in Medicine 17, 1998).
    words = "80.00 % of 10 right (95 % interval 49.02 to 94.33 %)"
    assert utils.describe_accuracy(8, 10) == words
    assert "interval 72.25 to 100.00 %" in utils.describe_accuracy(10, 10)


def history(*epochs):
    """The history of epochs (train loss, train accuracy, dev accuracy)."""
    rows = enumerate(epochs, start=1)
    return [utils.history_row(i, (loss, a), (loss, b), 0.1, 1.0) for i, (loss, a, b) in rows]


GOOD, GUESSING = history((0.5, 0.8, 0.85), (0.1, 0.97, 0.97)), (2.31, 0.1, 0.1)
MIXED = np.array([[3, 1, 4, 1]])


@pytest.mark.parametrize(
    ("rows", "readings", "dead", "words"),
    [
        (GOOD, MIXED, 0.0, None),
        (GOOD, MIXED, 0.2, None),
        (GOOD, MIXED * 0 + 3, 0.5, "everything is read as 3"),
        (GOOD, np.concatenate([MIXED, MIXED * 0 + 8]), 0.0, "everything is read as 8"),
        (GOOD, MIXED, 0.3, "30 % of the hidden units are dead"),
        (history(GUESSING, GUESSING), MIXED, 0.0, "the loss stands still, at 2.31"),
        (history(GUESSING), MIXED, 0.0, None),  # of one epoch nobody can tell
        (history((0.1, 0.97, 0.97), (0.11, 0.97, 0.97)), MIXED, 0.0, None),  # it has learned
        (history((0.5, 0.8, 0.85), (0.0, 0.999, 0.97)), MIXED, 0.0, "overfitting: 0.10 % .* 3.00"),
        (history((0.5, 0.8, 0.85), (0.0, 1.0, 0.995)), MIXED, 0.0, None),  # that is as it should be
    ],
)
def test_a_run_that_went_wrong_is_told_why(rows, readings, dead, words):
    found = utils.diagnosis(rows, readings, dead)
    assert found is None if words is None else re.match(words, found)


def test_two_digits_are_judged_by_their_mean():
    rows = [
        utils.history_row(i, ((loss, loss), (a, a)), ((loss, loss), (0.96, 0.98)), 0.1, 1.0)
        for i, (loss, a) in enumerate([(0.5, 0.8), (0.01, 0.999)], start=1)
    ]
    assert utils.diagnosis(rows, np.concatenate([MIXED, MIXED]), 0.0).startswith("overfitting")


# ----------------------------------------------------- which pictures stand in a run's folder


def png(path):
    return path.read_bytes().startswith(b"\x89PNG")


def test_show_opens_the_pictures_of_this_run_alone(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(utils, "require_display", lambda: None)
    monkeypatch.setattr(utils, "show_pictures", opened.extend)
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    for name in ("readings", "holiday", "filters"):
        (folder / f"{name}.png").write_bytes(b"of somebody else, or of an earlier run")
    Lesson(tmp_path)("--show")
    assert {path.name for path in opened} == PICTURES and all(map(png, opened))
    opened.clear()
    Lesson(tmp_path)("--show", "--no-plots")
    assert opened == []


def test_no_picture_of_an_earlier_run_stays_beside_new_figures(tmp_path):
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    for name in ("readings", "filters", "mistakes"):  # the first is of somebody's handwriting
        (folder / f"{name}.png").write_bytes(b"of an earlier network")
    Lesson(tmp_path)("--no-plots")
    files = {"metrics.json", "history.csv", "checkpoint.npz", "readings.png"}
    assert visible_files(folder) == files


def test_whatever_a_lesson_draws_is_removed_by_the_next_run():
    sources = [path.read_text(encoding="utf-8") for path in ROOT.glob("*.py")]
    drawn = {name for text in sources for name in re.findall(r'run\.draw\("(\w+)\.png"', text)}
    assert {"weights", "hardest_pairs"} <= drawn - {"sweep"} <= utils.PICTURES


def test_a_picture_that_cannot_be_drawn_costs_a_line_and_not_the_run(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise ValueError("no\nfont \x1b[2J" + "x" * 1000)

    monkeypatch.setattr(utils, "draw_confusion", fail)
    run = Lesson(tmp_path)()
    out, errors = capsys.readouterr()
    assert errors.startswith("confusion_matrix.png could not be drawn: no font  [2Jxxx")
    assert errors.count("\n") == 1 and len(errors) < 300
    assert out.endswith("pictures: learning_curves.png, mistakes.png\n")
    files = {"learning_curves.png", "mistakes.png", "metrics.json", "history.csv", "checkpoint.npz"}
    assert visible_files(run.folder) == files


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["module://nothing", "nothing"])
def test_a_backend_that_does_not_exist_does_not_spoil_a_run(small_mnist, tmp_path, backend):
    argv = ["--data-dir", small_mnist, "--output-dir", tmp_path, "--hidden", 5, "--epochs", 1]
    env = {**os.environ, "MPLBACKEND": backend}
    done = run_script("neural_nets.py", *argv, "--quiet", env=env)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert json.loads((tmp_path / "metrics.json").read_text())["epochs"] == 1
    assert done.stderr == "" and all(png(tmp_path / name) for name in PICTURES)


@pytest.mark.slow
def test_a_notebook_keeps_its_pictures_after_a_run(tmp_path):
    """A kernel sets MPLBACKEND; the pictures that it draws later shall appear in the notebook."""
    code = (
        "import sys, utils, os\n"
        "utils.draw_tiles(sys.argv[1] + '/a.png', [[[0.0]]])\n"
        "import matplotlib\n"
        "print(os.environ['MPLBACKEND'], matplotlib.rcParams['backend'])\n"
        "matplotlib.use('svg')\n"
        "utils.draw_tiles(sys.argv[1] + '/b.png', [[[0.0]]])\n"
        "print(matplotlib.rcParams['backend'])\n"
    )
    env = {**os.environ, "MPLBACKEND": "pdf"}
    command = [sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("pdf pdf\nsvg\n", "")


# ----------------------------------------------------------- the network that --predict builds


def test_an_option_that_is_newer_than_the_run_is_taken_as_it_stands(tmp_path):
    metrics = {"script": "nnet_fc", "settings": {"hidden": [5], "of_old": 1}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "model.pt").write_text("")
    args = types.SimpleNamespace(
        model=tmp_path / "model.pt",
        script="nnet_fc",
        hidden=[7],
        activation="relu",
        typed=set(),
        code=0,
    )
    utils.recall_settings(args, ["hidden", "activation"])
    assert args.hidden == [5] and args.activation == "relu" and not hasattr(args, "of_old")


def test_weights_without_their_runs_metrics_are_used_as_the_options_say(tmp_path):
    (tmp_path / "model.pt").write_text("")
    args = types.SimpleNamespace(model=tmp_path / "model.pt", script="nnet_fc", hidden=[7])
    utils.recall_settings(args, ["hidden"])
    assert args.hidden == [7]


def write_network(folder, script, **options):
    """Write the weights and the metrics of a small trained network."""
    metrics = {"script": script, "settings": options}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    if script == "neural_nets":
        params = neural_nets.initialise([784, 5, 10], np.random.default_rng(0))
        utils.write_arrays(folder / "model.npz", params)
    else:
        build = {"nnet_fc": nnet_fc.build_model, "mlp": lambda hidden: mlp.MLP(42 * 28, hidden)}
        model = (build | {"nnet_cnn": lambda width: nnet_cnn.build_model(width=width)})[script]
        torch.save(model(**options).state_dict(), folder / "model.pt")


@pytest.fixture
def picture(tmp_path):
    from PIL import Image

    page = np.pad(np.zeros((20, 4), np.uint8), 10, constant_values=255)
    Image.fromarray(page).save(tmp_path / "one.png")
    return tmp_path / "one.png"


@pytest.mark.parametrize(
    ("script", "options", "same", "other"),
    [
        (nnet_fc, {"hidden": [5]}, ["--hidden", "5"], ["--hidden", "6"]),
        (mlp, {"hidden": [5, 4]}, ["--hidden", "5", "4"], ["--hidden", "5"]),
        (nnet_cnn, {"width": 0.5}, ["--width", "0.5"], ["--width", "2"]),
        (neural_nets, {"hidden": [5]}, ["--hidden", "5"], ["--hidden", "6"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_typed_options_that_contradict_the_trained_network_are_an_error(
    tmp_path, picture, capsys, script, options, same, other
):
    write_network(tmp_path, script.__name__, **options)
    argv = ["--predict", str(picture), "--output-dir", str(tmp_path), "--no-plots"]
    for more in ([], same):
        script.main([*argv, *more])
        assert re.match(rf"{picture}: \d", capsys.readouterr().out)
    with pytest.raises(UserError, match=f"{' '.join(other[:1])} .* the trained network has "):
        script.main([*argv, *other])


def test_weights_of_another_script_are_said_to_be(tmp_path, picture):
    write_network(tmp_path, "mlp", hidden=[5])
    argv = ["--predict", str(picture), "--model", str(tmp_path / "model.pt")]
    with pytest.raises(UserError, match=r"does not fit the network that nnet_fc\.py builds"):
        nnet_fc.main(argv)
    argv = ["--predict", str(picture), "--output-dir", str(tmp_path)]
    with pytest.raises(UserError, match=rf"^{tmp_path} is of mlp\.py, not of nnet_fc\.py"):
        nnet_fc.main(argv)


def test_a_copied_lesson_reads_with_the_weights_of_the_first(tmp_path, picture, capsys):
    write_network(tmp_path, "nnet_fc", hidden=[5])
    path = tmp_path / "metrics.json"
    path.write_text(path.read_text().replace('"nnet_fc"', '"the_first"'))
    nnet_fc.main(["--predict", str(picture), "--model", str(tmp_path / "model.pt")])
    assert capsys.readouterr().out.startswith(f"{picture}: ")


@pytest.mark.parametrize(
    "settings",
    ['{"hidden": [1e99]}', '{"activation": "__class__"}', "1", "[" * 100_000, "{", "\xff"],
    ids=lambda text: text[:20],
)
def test_settings_of_a_stranger_give_one_line(tmp_path, picture, settings):
    write_network(tmp_path, "nnet_fc", hidden=[5])
    text = f'{{"script": "nnet_fc", "settings": {settings}}}'
    (tmp_path / "metrics.json").write_text(text, encoding="latin1")
    argv = ["--predict", str(picture), "--model", str(tmp_path / "model.pt")]
    with pytest.raises(UserError, match=r"metrics\.json is damaged|does not fit") as error:
        nnet_fc.main(argv)
    assert "\n" not in str(error.value)


# -------------------------------------------------------------------------------------- plots


def test_mistakes_are_sorted_by_how_sure_they_were(tmp_path, monkeypatch):
    caught = figures_drawn(monkeypatch)
    chances = chances_of([1, 2, 3, 4], [0.6, 0.7, 0.9, 0.8])
    labels = np.array([[1, 5, 6, 7]])  # the first is right
    images = np.arange(4)[:, None, None] * np.ones((28, 28))
    utils.draw_mistakes(tmp_path / "m.png", images, labels, chances)
    titles = [axis.get_title() for axis in caught[0].axes]
    words = ["6 read as 3\n90 % sure", "7 read as 4\n80 % sure", "5 read as 2\n70 % sure"]
    assert titles == words
    assert [axis.images[0].get_array()[0, 0] for axis in caught[0].axes] == [2, 3, 1]
    assert caught[0].get_suptitle() == "3 of 4 misread, the surest first"


@pytest.mark.parametrize(
    ("wrong", "heading"), [(0, "nothing misread"), (100, "100 of 100 misread; the 40 surest")]
)
def test_any_number_of_mistakes_can_be_drawn(tmp_path, monkeypatch, wrong, heading):
    caught = figures_drawn(monkeypatch)
    readings = np.arange(100) % 10
    labels = (readings + (wrong > 0))[None] % 10
    images = np.zeros((100, 28, 28))
    utils.draw_mistakes(tmp_path / "m.png", images, labels, chances_of(readings, 0.9))
    assert caught[0].get_suptitle() == heading
    assert sum(len(axis.images) for axis in caught[0].axes) == min(wrong, 40)


def test_the_confusion_matrix_counts_truth_by_row(tmp_path, monkeypatch):
    caught = figures_drawn(monkeypatch)
    utils.draw_confusion(tmp_path / "c.png", np.array([[3, 3, 3, 8]]), np.array([[3, 3, 5, 3]]))
    cells = {text.get_position(): text.get_text() for text in caught[0].axes[0].texts}
    assert cells == {(3, 3): "2", (5, 3): "1", (3, 8): "1"}  # (column read, row true)
    colours = caught[0].axes[0].images[0].get_array()
    assert colours[3, 3] == 0 and colours[3, 5] == pytest.approx((1 / 3) ** 0.5)


def test_learning_curves_show_errors_the_chosen_epoch_and_both_heads(tmp_path, monkeypatch):
    caught = figures_drawn(monkeypatch)
    rows = [
        utils.history_row(i, ((1, 2), (0.1, 0.2)), ((3, 4), (0.3 * i, 1.0)), 0.1, 1.0)
        for i in (1, 2)
    ]
    utils.draw_learning_curves(tmp_path / "l.png", rows)
    errors, loss = caught[0].axes
    assert errors.get_xlim() == loss.get_xlim() == (0.5, 2.5)
    lines = {line.get_label(): list(line.get_ydata()) for line in errors.lines[:-1]}
    names = ["train upper", "train lower", "dev upper", "dev lower"]
    assert [label.split(",")[0] for label in lines] == names
    assert lines["dev upper"] == pytest.approx([70, 40])
    assert lines["dev lower"] == [0, 0]
    assert errors.get_ylim()[0] == 0 and errors.get_yscale() == "symlog"  # 0 can be shown
    assert [list(line.get_ydata()) for line in loss.lines[:-1]] == [[1, 1], [2, 2], [3, 3], [4, 4]]
    chosen = errors.lines[-1]
    assert chosen.get_label() == "chosen epoch" and list(chosen.get_xdata()) == [2, 2]


def test_signed_tiles_are_white_at_zero_and_share_one_scale(tmp_path, monkeypatch):
    caught = figures_drawn(monkeypatch)
    weights = np.linspace(-1, 2, 70 * 6).reshape(70, 6)
    utils.draw_weights(tmp_path / "w.png", weights, np.ones((4, 2, 3)))
    drawn = [axis.images[0] for axis in caught[0].axes if axis.images]
    assert len(drawn) == 60 and drawn[1].get_array().tolist() == weights[1].reshape(2, 3).tolist()
    assert len({image.get_clim() for image in drawn}) == 1
    low, high = drawn[0].get_clim()
    assert low == -high and high > 1


@pytest.mark.parametrize("shape", [(28, 28), (42, 28)])
def test_a_caption_is_nearer_to_its_own_digit(tmp_path, monkeypatch, shape):
    caught = figures_drawn(monkeypatch)
    labels, readings = np.zeros((1, 40), int), np.ones(40, int)
    utils.draw_mistakes(tmp_path / "m.png", np.ones((40, *shape)), labels, chances_of(readings, 1))
    caught[0].canvas.draw()
    above, own = caught[0].axes[0], caught[0].axes[10]
    caption = own.title.get_window_extent()
    below = caption.y0 - own.get_window_extent().y1
    assert 0 <= below < 0.5 * (above.get_window_extent().y0 - caption.y1)


@pytest.mark.parametrize("units", [1, 3, 60])
def test_the_heading_above_weights_fits_and_unused_pixels_are_white(tmp_path, monkeypatch, units):
    caught = figures_drawn(monkeypatch)
    images = np.zeros((2, 784))
    images[0, 101:400] = images[1, 400:] = 0.5
    images = images.reshape(-1, 28, 28)
    utils.draw_weights(tmp_path / "w.png", np.ones((units, 784)), images)
    figure = caught[0]
    figure.canvas.draw()
    heading = figure._suptitle.get_window_extent()
    assert heading.x0 >= 0 and heading.x1 <= figure.bbox.x1
    tile = figure.axes[0].images[0].get_array().ravel()
    assert (tile[:101] == 0).all() and (tile[101:] == 1).all()


def test_layers_show_their_first_maps_each_layer_on_a_scale_of_its_own(tmp_path, monkeypatch):
    caught = figures_drawn(monkeypatch)
    maps = np.arange(20.0)[:, None, None] * np.ones((3, 2))
    chances = np.concatenate([chances_of([3], 0.9)[0], chances_of([5], 0.7)[0]])
    train_utils.draw_layers(tmp_path / "a.png", np.eye(4), [maps, -maps[:5]], chances)
    image, first, second, bars = caught[0].axes
    assert image.images[0].get_array().shape == (4, 4)
    assert first.get_title() == "16 of 20 channels, 3 x 2: brighter is larger"
    row = first.images[0].get_array()
    assert [row[0, 3 * k] for k in range(16)] == list(range(16))  # two pixels and a gap each
    assert first.images[0].get_clim() == (0, 15) and second.images[0].get_array().shape == (3, 15)
    assert second.images[0].get_clim()[0] == -4  # as of tanh
    assert sorted(bar.get_height() for bar in bars.patches)[-2:] == pytest.approx([70, 90])
