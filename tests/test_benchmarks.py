"""tests/benchmarks: the runs and the rows of their tables mean what they say."""

import importlib
import subprocess
import sys
import types

import neural_nets
import utils
from tests import photographs
from tests.benchmarks import bench_choices, bench_cost, bench_photographs, bench_scripts, tables
from tests.conftest import ROOT, write_mnist

import numpy as np
import pytest

ROWS = [*bench_choices.CHOICES["neural_nets"]][:3]
SMALL = ["neural_nets", "--limit", "300", "--epochs", "1"]


def settings_of(lesson, options, monkeypatch):
    """Return what a lesson makes of its options, as text, without training."""
    caught = []

    def stop(args, name):
        caught.append({name: getattr(args, name) for name in args.settings})
        raise utils.UserError("seen")

    monkeypatch.setattr(utils, "find_model", stop)
    with pytest.raises(utils.UserError, match="seen"):
        importlib.import_module(lesson).main([*options.split(), "--predict", "a.png"])
    return str(caught[0])


@pytest.mark.parametrize("lesson", bench_choices.CHOICES)
def test_every_row_changes_the_recipe_of_its_lesson_in_another_way(lesson, monkeypatch):
    choices = bench_choices.CHOICES[lesson]
    runs = [run.partition(" ")[2] for run in bench_scripts.RUNS if run.split()[0] == lesson]
    for options in (choices.values(), runs):
        recipes = {settings_of(lesson, one, monkeypatch) for one in options}
        assert len(recipes) == len(options)


def test_every_tenth_of_the_training_digits_can_be_dev_and_the_test_set_is_never_read(
    tmp_path, mnist
):
    images, labels = (array[:300] for array in mnist[0])
    for tenth in (0, 1, 9):
        bench_choices.write_data(tmp_path, tenth, 300)
        (train_x, train_y), (test_x, test_y) = utils.read_mnist(tmp_path)
        dev = slice(270 - 30 * tenth, 300 - 30 * tenth)
        for x, y in ((train_x[270:], train_y[270:]), (test_x, test_y)):
            np.testing.assert_array_equal(x, images[dev])
            np.testing.assert_array_equal(y, labels[dev])
        rest = np.delete(np.arange(300), dev)
        assert sorted(zip(train_x[:270].sum((1, 2)), train_y[:270], strict=True)) == sorted(
            zip(images[rest].sum((1, 2)), labels[rest], strict=True)
        )


@pytest.mark.slow
def test_the_table_gives_the_dev_errors_of_the_lesson_itself(tmp_path, capsys):
    bench_choices.main([*SMALL, "--seeds", "2", "--only", *ROWS, "--output-dir", str(tmp_path)])
    data, errors = write_mnist(tmp_path / "data", 300), {}
    for name in ROWS:
        options = [*bench_choices.CHOICES["neural_nets"][name].split(), "--epochs", "1", "--quiet"]
        options += ["--no-plots", "--output-dir", str(tmp_path / "run"), "--data-dir", str(data)]
        runs = [neural_nets.main([*options, "--seed", seed]) for seed in "01"]
        errors[name] = [100 * (1 - run["dev_accuracy"]) for run in runs]
    rows = tables.read_rows(tmp_path / "choices_neural_nets.csv")
    assert [(row["setting"], row["seed"]) for row in rows] == [(n, s) for s in "01" for n in ROWS]
    for row in rows:
        assert float(row["misread"]) == pytest.approx(errors[row["setting"]][int(row["seed"])])
    table = (tmp_path / "choices_neural_nets.md").read_text(encoding="utf-8")
    printed = capsys.readouterr().out
    for name in ROWS[1:]:
        change = np.mean(errors[name]) - np.mean(errors[ROWS[0]])
        assert f"| {change:+.2f} ± " in table and f"{change:+6.2f} +- " in printed


@pytest.mark.slow
def test_an_interrupted_benchmark_goes_on_with_what_is_left(tmp_path, monkeypatch):
    done, limit = [], 3

    def run_once(lesson, options, seed, data):
        if len(done) == limit:
            raise KeyboardInterrupt
        done.append((options, seed))
        return 1.0, {"parameters": 10, "seconds": 1.0}

    monkeypatch.setattr(bench_choices, "run_once", run_once)
    command = [*SMALL, "--seeds", "2", "--only", *ROWS[:2], "--output-dir", str(tmp_path)]
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        bench_choices.main(command)
    limit = 4
    bench_choices.main(command)
    assert len(set(done)) == 4
    limit = 5  # another number of epochs is another run
    with pytest.raises(KeyboardInterrupt):
        bench_choices.main([*command, "--epochs", "2"])


def test_a_setting_that_fails_costs_its_row_and_no_other(tmp_path, monkeypatch, capsys):
    def run_once(lesson, options, seed, data):
        if options.startswith("--plain --epochs 20"):
            raise utils.UserError("the loss is no longer a number")
        return 1.0, {"parameters": 10, "seconds": 1.0}

    monkeypatch.setattr(bench_choices, "run_once", run_once)
    names = ["plain", "plain, 20 epochs", "all three"]
    bench_choices.main([*SMALL, "--only", *names, "--output-dir", str(tmp_path)])
    out, err = capsys.readouterr()
    assert "plain, 20 epochs, tenth 0, seed 2: the loss is no longer a number" in err
    assert "all three" in out and "plain, 20 epochs" not in out


@pytest.mark.slow
def test_a_pair_counts_as_misread_if_either_digit_is(tmp_path, monkeypatch):
    bench_choices.write_data(tmp_path, 0, 600)
    kept = []
    misread_pairs = bench_choices.misread_pairs
    monkeypatch.setattr(
        bench_choices, "misread_pairs", lambda *given: kept.append(misread_pairs(*given)) or kept[0]
    )
    options = "--epochs 2 --hidden 64 --batch-size 20 --no-augment"
    misread, metrics = bench_choices.run_once("mlp", options, 0, str(tmp_path))
    upper, lower = kept[0]
    # The same network and the same pairs as in the run: each head errs as often as it did there.
    np.testing.assert_allclose([1 - upper.mean(), 1 - lower.mean()], metrics["dev_accuracy"])
    assert misread == pytest.approx(100 * (upper | lower).mean())
    assert misread > 100 * max(upper.mean(), lower.mean())


def test_errors_are_the_rest_of_the_accuracies():
    """A lesson with one head, one with two, and one that has no dev set."""
    assert bench_scripts.misread(0.9975) == "0.25"
    assert bench_scripts.misread([0.99, 0.98], 0.97) == "1.00 2.00 3.00"
    assert bench_scripts.spread(["1.00 3.00", "2.00 3.00"]) == "1.50 ± 0.71 / 3.00 ± 0.00"
    assert bench_scripts.spread([bench_scripts.misread(None)] * 2) == ""


@pytest.mark.slow
def test_the_benchmarks_of_whole_programs_work(tmp_path):
    quick = "nnet_cnn --design quick --epochs 1"
    for script, *options in (
        ["bench_scripts.py", "--seeds", "0", "1", "--only", quick],
        ["bench_peers.py", "--quick", "--only", "nielsen_network"],
    ):
        command = [sys.executable, ROOT / "tests" / "benchmarks" / script, *options]
        done = subprocess.run(
            [*command, "--output-dir", tmp_path], capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, done.stderr
    results = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| these 2 networks vote |" in results
    ours, peer = (tmp_path / "bench_peers.md").read_text(encoding="utf-8").splitlines()[2:4]
    assert ours.startswith("| nnet_cnn.py --design quick") and peer.startswith("| nielsen_network")


@pytest.mark.slow
def test_the_cost_is_that_of_so_many_digits(tmp_path, mnist):
    bench_cost.write_data(tmp_path, 60_300)
    images, labels = utils.read_mnist(tmp_path)[0]
    assert len(images) == len(labels) == 60_300
    np.testing.assert_array_equal(images[60_000:], mnist[0][0][:300])
    small, large = (bench_cost.run_once(300, width, 1) for width in (0.5, 2))
    assert small["weights"] == "20,450" and large["weights"] == "289,130"
    peaks = [float(row["peak of memory, MB"].replace(",", "")) for row in (small, large)]
    assert 200 < peaks[0] < peaks[1] < 3000  # Python and PyTorch alone take some 300


def test_photographs_are_counted_by_how_they_were_read(mnist):
    """A row of four digits: all right; one wrong; one wrong, surely; two refusals."""
    images, labels = mnist[0][0][54000:54100], mnist[0][1][54000:54100]
    truths = [truth for _, truth in photographs.photographs("a row of 4", images, labels, 5)]

    def main(argv):
        paths = argv[argv.index("--predict") + 1 :]
        for i, (path, truth) in enumerate(zip(paths, truths, strict=True)):
            if i > 2:
                print(f"{path}: {['blank, no ink found', 'more than a digit'][i - 3]}")
                continue
            for place, digit in enumerate(truth):
                read = (digit + (place == 3) * (i > 0)) % 10
                print(f"{path}, digit {place + 1} of 4: {read} ({[99, 79, 81][i]}.0%)")

    script = types.SimpleNamespace(main=main)
    row = bench_photographs.measure("a row of 4", script, "model.pt", (images, labels), 5)
    assert list(row.values()) == ["a row of 4", "20", "40", "20", "40"]


@pytest.mark.slow
def test_photographs_are_the_same_every_time(mnist):
    images, labels = mnist[0][0][54000:54100], mnist[0][1][54000:54100]
    for kind, (count, _) in (photographs.KINDS | photographs.PAIRS).items():
        (picture, truth), (again, same) = (
            next(photographs.photographs(kind, images, labels, 1)) for _ in range(2)
        )
        assert np.array_equal(picture, again) and truth == same
        assert len(truth) == (0 if kind in photographs.NONE else count)
        assert picture.dtype == np.uint8 and np.ptp(picture) > 50
