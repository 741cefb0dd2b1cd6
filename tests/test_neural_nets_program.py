"""neural_nets.py, the program: its options, its files, resuming, what went wrong in a run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import neural_nets
import utils
from tests.conftest import ROOT, figures_drawn, visible_files

import numpy as np
import pytest
from PIL import Image

FILES = {"model.npz", "checkpoint.npz", "metrics.json", "history.csv", "learning_curves.png"}
FILES |= {"confusion_matrix.png", "mistakes.png", "weights.png", "adversarial.png"}


@pytest.fixture(scope="module")
def run(small_mnist, tmp_path_factory):
    """A finished run: its options, folder, and metrics."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    options = ["--data-dir", small_mnist, "--hidden", 20, 15, "--epochs", 4, "--batch-size", 20]
    options = [str(o) for o in (*options, "--output-dir", folder)]
    with pytest.MonkeyPatch.context() as patch:
        figures_drawn(patch)
        return options, folder, neural_nets.main([*options, "--quiet"])


def arrays_of(path):
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


def history_of(checkpoint):
    """The rows of a checkpoint's history, without times."""
    rows = json.loads(arrays_of(checkpoint)["facts"].item())["history"]
    return [{**row, "seconds": 0} for row in rows]


def assert_same_run(folder, other):
    """Compare all that two runs left, apart from times and pictures."""
    for name in ("model.npz", "checkpoint.npz"):
        one, two = arrays_of(folder / name), arrays_of(other / name)
        assert one.keys() == two.keys()
        for key in one.keys() - {"facts"}:
            assert one[key].tobytes() == two[key].tobytes(), key
    assert history_of(folder / "checkpoint.npz") == history_of(other / "checkpoint.npz")


# -------------------------------------------------------------------------- options and files


class Seen(Exception):
    """Ends a run where its training would begin."""


@pytest.fixture
def begun(small_mnist, tmp_path, monkeypatch):
    """A function (*options) -> (loop, params, settings): how a run with these options begins."""

    def loop(name):
        def train(params, train_set, dev_set, run, lr, batch_size, *ideas):
            momentum, schedule, adversarial = ideas or (0, None, 0)
            schedule = "cosine" if schedule else "constant"
            raise Seen(name, params, (run.count, lr, momentum, schedule, adversarial))

        return train

    for name in ("train_plain", "train_better"):
        monkeypatch.setattr(neural_nets, name, loop(name))
    fixed = ["--quiet", "--data-dir", str(small_mnist), "--output-dir", str(tmp_path)]

    def begin(*options):
        with pytest.raises(Seen) as seen:
            neural_nets.main([*fixed, *options])
        return seen.value.args

    return begin


OUR_OWN = ("train_better", 20, 0.1, 0.9, "cosine", 1.0)


@pytest.mark.parametrize(
    "options, wanted",
    [
        ("", OUR_OWN),
        ("--plain", ("train_plain", 12, 0.4, 0, "constant", 0)),
        ("--plain --lr 0.1 --epochs 20", ("train_plain", 20, 0.1, 0, "constant", 0)),
        ("--plain --momentum 0.5", ("train_better", 12, 0.4, 0.5, "constant", 0)),
        ("--adversarial 2 --plain", ("train_better", 12, 0.4, 0, "constant", 2)),
        ("--plain --schedule cosine", ("train_better", 12, 0.4, 0, "cosine", 0)),
    ],
)
def test_plain_is_a_set_of_defaults_that_typed_options_override(begun, options, wanted):
    loop, _, found = begun(*options.split())
    assert (loop, *found) == wanted


def test_help_says_what_plain_stands_for(as_program):
    status, output, _ = as_program(neural_nets.main, "neural_nets.py", "--help")
    words = "--epochs 12 --lr 0.4 --momentum 0.0 --schedule constant --adversarial 0.0"
    assert status == 0 and words in " ".join(output.split())


def test_the_seed_chooses_the_first_weights(begun):
    first, other = (begun("--hidden", "40", "30", "--seed", seed)[1] for seed in ("7", "8"))
    wanted = neural_nets.initialise([784, 40, 30, 10], np.random.default_rng(7))
    for name, a in wanted.items():
        np.testing.assert_array_equal(first[name], a)
    assert (other["W1"] != wanted["W1"]).any()


@pytest.mark.parametrize(
    "options, words",
    [
        (["--hidden", "0"], "--hidden"),
        (["--adversarial", "-1"], "--adversarial"),
        (["--schedule", "one-cycle"], "--schedule"),
        (["--averaging", "0.9"], "unrecognized"),
        (["--predict", "x.png", "--model", "none.npz"], "none.npz; train a network first: python"),
    ],
)
def test_bad_options_get_one_line(as_program, tmp_path, options, words):
    status, output, errors = as_program(
        neural_nets.main, "neural_nets.py", "--output-dir", tmp_path, "--quiet", *options
    )
    assert (status, output) == (2, "")
    assert errors.startswith("neural_nets.py: error: ")
    assert words in errors
    assert errors.count("\n") == 1


def test_a_run_leaves_its_files_and_figures(run, capsys):
    options, folder, metrics = run
    assert capsys.readouterr() == ("", "")
    assert visible_files(folder) == FILES
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8")) == metrics
    assert metrics["test_accuracy"] > 0.7  # of 540 digits in four epochs; guessing gives 0.1
    assert metrics["parameters"] == 784 * 20 + 20 + 20 * 15 + 15 + 15 * 10 + 10
    recipe = {"momentum": 0.9, "schedule": "cosine", "adversarial": 1.0, "hidden": [20, 15]}
    recipe |= {"lr": 0.1, "warm_up": 0.3}  # what --resume compares
    assert recipe.items() <= metrics["settings"].items() and "data" in metrics["settings"]
    weights = arrays_of(folder / "model.npz")
    assert all(a.dtype == np.float32 for a in weights.values())
    images, labels = utils.get_MNIST_data(data_dir=options[1])[2:]
    logits = neural_nets.forward(weights, images)[0]
    right = logits.argmax(1) == labels
    assert (right.mean(), (~right).sum()) == (metrics["test_accuracy"], metrics["test_errors"])
    loss, _ = neural_nets.softmax_cross_entropy(logits, labels)
    assert metrics["test_loss"] == pytest.approx(loss, rel=1e-5)
    best = {name: a for name, a in arrays_of(folder / "checkpoint.npz").items() if "best" in name}
    assert {f"best {name}": a.tobytes() for name, a in weights.items()} == {
        name: a.tobytes() for name, a in best.items()
    }


def test_a_run_tells_its_story_in_order(small_mnist, tmp_path, capsys):
    options = ["--data-dir", small_mnist, "--output-dir", tmp_path, "--hidden", 5, "--epochs", 2]
    neural_nets.main([str(option) for option in (*options, "--no-plots")])
    output = capsys.readouterr().out
    parts = ["part 1", "passed", "after 1000 epochs", "XOR", "16 hidden units   ", "3,985 weights"]
    parts += ["540 images; dev has 60", "epoch 1/2", "epoch 2/2", "test: ", "results in "]
    places = [output.find(part) for part in parts]
    assert -1 not in places and places == sorted(places)
    assert visible_files(tmp_path) == FILES - {p for p in FILES if p.endswith(".png")}


def test_what_the_picture_of_adversarial_examples_says_is_what_is_read(
    run, mnist, tmp_path, monkeypatch
):
    params = arrays_of(run[1] / "model.npz")
    images, labels = utils.flat(mnist[1][0][:10]), mnist[1][1][:10].astype(np.int64)
    figures = figures_drawn(monkeypatch)
    neural_nets.draw_adversarial(tmp_path / "adversarial.png", params, images, labels)
    rows = np.array(figures[0].axes).reshape(3, 10)
    drawn = np.array([[axis.images[0].get_array() for axis in row] for row in rows])
    digits, steps, both = drawn.reshape(3, 10, 784)
    np.testing.assert_array_equal(digits, images)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 3, rtol=1e-5)  # drawn stronger
    np.testing.assert_allclose(both, digits + steps / 3, atol=1e-6)
    for axes, shown in ((rows[0], digits), (rows[2], both)):
        chances = neural_nets.probabilities_of(params, shown.astype(np.float32))[0]
        said = [axis.get_title().removesuffix(" %").split("\n") for axis in axes]
        assert [int(digit) for digit, _ in said] == chances.argmax(1).tolist()
        np.testing.assert_allclose([int(sure) for _, sure in said], 100 * chances.max(1), atol=0.6)


# -------------------------------------------------------------------- resuming, damaged files


@pytest.mark.parametrize("more", [[], ["--plain"]], ids=["better", "plain"])
def test_interrupted_and_resumed_is_uninterrupted(run, tmp_path, monkeypatch, more):
    options, folder = [*run[0][:-1], str(tmp_path / "run"), "--no-plots", *more], run[1]
    if more:
        folder = tmp_path / "whole"
        neural_nets.main([*options, "--quiet", "--output-dir", str(folder)])
    progress = utils.Run.progress

    def interrupted(run, batches):
        for i, batch in enumerate(progress(run, batches)):
            if (run.epoch, i) == (3, 10):  # half-way through the epoch
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(utils.Run, "progress", interrupted)
    with pytest.raises(KeyboardInterrupt, match="resume goes on after epoch 2"):
        neural_nets.main([*options, "--quiet"])
    monkeypatch.setattr(utils.Run, "progress", progress)
    neural_nets.main([*options, "--quiet", "--resume"])
    assert_same_run(folder, tmp_path / "run")


def test_predict_reads_pictures(run, tmp_path, mnist, as_program):
    images, labels = mnist[1]
    weights = arrays_of(run[1] / "model.npz")
    sure = neural_nets.probabilities_of(weights, utils.as_floats(images[:200]))[0]
    chosen = int(np.argmax(np.where(sure.argmax(1) == labels[:200], sure.max(1), 0)))
    page = np.zeros((400, 300), np.uint8)
    page[60:340, 10:290] = np.kron(images[chosen], np.ones((10, 10), np.uint8))
    Image.fromarray(255 - page).save(tmp_path / "digit.png")
    given = ["--predict", tmp_path / "digit.png", "--model", run[1] / "model.npz"]
    status, output, _ = as_program(neural_nets.main, "neural_nets.py", *given)
    assert status == 0
    assert re.fullmatch(rf"\S+digit\.png: {labels[chosen]} \(\d+\.\d%\)\n", output)


# -------------------------------------------------------------------- what goes wrong is named


@pytest.mark.parametrize(
    "more, words",
    [
        ("--lr 0.7 --batch-size 32 --hidden 64", "of the hidden units are dead"),
        ("--plain --limit 300 --hidden 64 --batch-size 32 --epochs 25", "overfitting: 0.00 % of"),
        ("--epochs 5 --hidden 64 --batch-size 32", None),
    ],
)
def test_what_went_wrong_is_said_in_the_last_line(
    small_mnist, tmp_path, as_program, monkeypatch, recwarn, more, words
):
    for name in ("show_small_network", "show_xor"):
        monkeypatch.setattr(neural_nets, name, lambda: None)
    options = ["--data-dir", small_mnist, "--output-dir", tmp_path, "--epochs", 6, "--no-plots"]
    status, output, errors = as_program(neural_nets.main, "neural_nets.py", *options, *more.split())
    assert (status, errors) == (0, "") and not list(recwarn)
    last = output.splitlines()[-1]
    if words is None:
        assert "look here" not in output and last.startswith("results in ")
    else:
        assert last.startswith("look here: ") and words in last


@pytest.mark.parametrize("more", ["--plain --lr 30", "--lr 1000"])
def test_a_loss_that_is_no_number_costs_one_line(small_mnist, tmp_path, as_program, recwarn, more):
    options = ["--data-dir", small_mnist, "--output-dir", tmp_path, "--quiet", *more.split()]
    status, _, errors = as_program(neural_nets.main, "neural_nets.py", *options)
    words = "the loss is no longer a number: the steps are too long; lower --lr"
    assert status == 2 and errors.startswith(f"neural_nets.py: error: {words} (epoch ")
    assert errors.count("\n") == 1 and not list(recwarn)


def test_a_log_file_gets_plain_lines_and_a_run_without_plots_loads_no_more_than_numpy(
    small_mnist, tmp_path
):
    heavy = "{'torch', 'matplotlib', 'scipy', 'PIL'}"
    code = "import sys, neural_nets; print('imported', file=sys.stderr); neural_nets.main(); "
    code += f"print(*{heavy} & set(sys.modules), file=sys.stderr)"
    options = [
        "--data-dir",
        small_mnist,
        "--output-dir",
        tmp_path,
        "--hidden",
        "5",
        "--epochs",
        "1",
    ]
    command = [sys.executable, "-c", code, *options, "--no-plots"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "imported\n\n")
    assert process.stdout.startswith("part 1") and "\nepoch 1/1 " in process.stdout
    assert "\r" not in process.stdout


# ------------------------------------------------------------------------------------- slow


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_default_run_keeps_its_promise(tmp_path):
    metrics = neural_nets.main(["--output-dir", str(tmp_path), "--quiet"])
    assert metrics["test_accuracy"] >= 0.986


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_plain_run_keeps_its_promise_and_learns_by_heart(tmp_path, capsys):
    metrics = neural_nets.main(["--plain", "--output-dir", str(tmp_path), "--no-plots"])
    assert metrics["test_accuracy"] >= 0.98
    assert "look here: overfitting: 0.0" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_stays_under_700_megabytes(tmp_path):
    code = (
        "import sys, neural_nets; neural_nets.main(sys.argv[1:]);"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"  # the peak, in kB
    )
    command = [sys.executable, "-c", code, "--epochs", "1", "--quiet", "--output-dir", tmp_path]
    assert 1024 * int(subprocess.check_output(command, cwd=ROOT, text=True)) < 700e6
