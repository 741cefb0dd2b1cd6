"""nnet_cnn.py: convolution by four loops, the designs, and the script as its users run it."""

import csv
import json
import shutil
from pathlib import Path

import nnet_cnn
import train_utils
import utils
from tests.conftest import RUN_FILES, figures_drawn, visible_files

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

# --------------------------------------------------------------------------------- convolution


@pytest.mark.parametrize(
    ("c", "k", "size", "window"), [(1, 1, (5, 5), (3, 3)), (3, 4, (7, 9), (2, 5))]
)
def test_four_loops_are_a_convolution(c, k, size, window):
    torch.manual_seed(0)
    layer, x = nn.Conv2d(c, k, window).double(), torch.randn(c, *size).double()
    weights, biases = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    found, expected = nnet_cnn.convolve(x.numpy(), weights, biases), layer(x[None])[0].detach()
    assert found == pytest.approx(expected.numpy(), abs=1e-12)


def test_check_convolution_shows_both_and_says_if_they_differ(monkeypatch, as_program):
    status, out, errors = as_program(nnet_cnn.main, "nnet_cnn.py", "--check-convolution")
    loops, layer = out.partition("four loops:\n")[2].split("nn.Conv2d:\n")
    assert (status, errors) == (0, "") and loops == layer and loops.startswith("[[ 1  2 -3]\n")
    monkeypatch.setattr(nnet_cnn, "convolve", lambda x, w, b: np.zeros((1, 3, 3)))
    status, _, errors = as_program(nnet_cnn.main, "nnet_cnn.py", "--check-convolution")
    assert status == 2 and "disagree" in errors


# --------------------------------------------------------------------------------- the designs


def test_the_shapes_are_those_of_the_comments():
    model = nnet_cnn.build_model().eval()
    x, shapes = torch.zeros(2, 1, 28, 28), []
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.ReLU | train_utils.Flatten | nn.Linear):
            shapes.append(tuple(x.shape[1:]))
    maps = [(16, 14, 14), (32, 14, 14), (32, 7, 7), (64, 7, 7), (64, 3, 3)]
    assert shapes == [*maps, (576,), (10,)]
    # 3 x 3 filters without biases, a scale and a shift per channel, then the matrix and its biases.
    filters = 9 * (1 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64)
    assert train_utils.count_weights(model) == filters + 2 * 208 + 576 * 10 + 10


def test_pooling_first_is_the_same_network():
    """conv-pool-norm-ReLU equals conv-norm-ReLU-pool where the normalisation's scale is > 0."""
    torch.manual_seed(0)
    conv, pool, norm, relu = nnet_cnn.stage(1, 16, pool=True)
    norm.eval()
    nn.init.uniform_(norm.weight, 0.5, 2.0)
    nn.init.normal_(norm.bias)
    x = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(relu(norm(pool(conv(x)))), pool(relu(norm(conv(x)))))


@pytest.mark.parametrize("design", nnet_cnn.DESIGNS)
def test_every_design_trains(design):
    """A few steps lower the loss on a batch, and every weight has its share in it. A new network
    is in training mode, as modules are: run_epoch() goes by it."""
    torch.manual_seed(0)
    model = nnet_cnn.build_model(design, width=0.5)
    assert all(module.training for module in model.modules())
    batch = [{"x": torch.rand(20, 1, 28, 28), "y": torch.arange(20) % 10}]
    before = [p.clone() for p in model.parameters()]
    losses = []
    optimizer = torch.optim.Adam(model.parameters(), 0.005)
    for _ in range(8):
        losses.append(train_utils.run_epoch(batch, model, optimizer)[0])
    assert min(losses[1:]) < losses[0]
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def options(small_mnist, folder, *more):
    argv = ["--data-dir", small_mnist, "--output-dir", folder, "--quiet", *more]
    return [str(option) for option in argv]


def test_a_misspelled_need_is_said_before_anything_is_trained(monkeypatch, tmp_path, as_program):
    monkeypatch.setitem(nnet_cnn.NEEDS, "quick", {"learning_rate": 0.1})
    argv = ["--sweep", "quick", "--output-dir", tmp_path]
    status, out, errors = as_program(nnet_cnn.main, "nnet_cnn.py", *argv)
    assert (status, out) == (2, "") and errors.count("\n") == 1
    assert "there is no setting learning_rate for a set of defaults" in errors


def test_the_sweep_has_every_design_and_one_that_was_added(small_mnist, tmp_path, monkeypatch):
    """Really trained, in small, on dev alone; each seed's digits come in the same order."""
    monkeypatch.setattr(nnet_cnn, "SWEEP_SEEDS", 2)
    monkeypatch.setattr(train_utils, "probabilities_of", None)  # what reads the test set
    own = lambda width: [nn.Conv2d(1, 4, 5, stride=4), nn.Tanh()]  # noqa: E731
    monkeypatch.setitem(nnet_cnn.DESIGNS, "own", own)
    argv = options(small_mnist, tmp_path, "--epochs", 1, "--width", 0.25, "--batch-size", 90)
    orders, drawn = [], torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda n: orders.append(drawn(n)) or orders[-1])
    argv += ["--limit", "100"]
    rows = nnet_cnn.main([*argv, "--sweep"])
    assert [row["setting"] for row in rows] == [*nnet_cnn.DESIGNS] and rows[-1]["setting"] == "own"
    assert visible_files(tmp_path) == {"sweep.csv", "sweep.png"}
    assert all(row["seeds"] == 2 and row["seconds"] > 0 for row in rows)
    assert rows[-1]["weights"] == 25 * 4 + 4 + 4 * 6 * 6 * 10 + 10
    first, second = orders[::2], orders[1::2]  # of seed 0, of seed 1
    assert all(torch.equal(order, first[0]) for order in first)
    assert all(torch.equal(order, second[0]) for order in second)
    assert not torch.equal(first[0], second[0])
    again = nnet_cnn.main([*argv, "--no-plots", "--sweep", "own", "ours"])
    assert [row["setting"] for row in again] == ["own", "ours"]
    for new, old in zip(again, (rows[-1], rows[0]), strict=True):  # whatever was trained before
        assert (new["misread"], new["sd"]) == (old["misread"], old["sd"])


class FailsInTraining(nn.Module):
    def forward(self, x):
        return x + None if self.training else x


def test_a_mistake_in_one_design_does_not_cost_the_others(
    small_mnist, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(nnet_cnn, "SWEEP_SEEDS", 2)
    monkeypatch.setitem(nnet_cnn.DESIGNS, "broken", lambda width: [FailsInTraining()])
    argv = options(small_mnist, tmp_path, "--epochs", 1, "--batch-size", 90, "--no-plots")
    rows = nnet_cnn.main([*argv, "--limit", "100", "--sweep", "quick", "broken"])
    assert [row["setting"] for row in rows] == ["quick"] and (tmp_path / "sweep.csv").exists()
    errors = capsys.readouterr().err
    assert "TypeError" in errors and errors.endswith("broken, seed 1: failed, see above\n")


# ------------------------------------------------------------------------------------ the script


@pytest.fixture(scope="module")
def trained(small_mnist, tmp_path_factory):
    """One short run of a network half as wide: its metrics, its folder and its options."""
    folder = tmp_path_factory.mktemp("run")
    argv = options(small_mnist, folder, "--epochs", 4, "--batch-size", 30, "--width", 0.5)
    with pytest.MonkeyPatch.context() as patch:
        figures_drawn(patch)
        return nnet_cnn.main(argv), folder, argv


def test_a_run_learns_and_writes_its_files(trained, small_mnist):
    metrics, folder, _ = trained
    assert visible_files(folder) == RUN_FILES | {"filters.png", "activations.png"}
    assert metrics == json.loads((folder / "metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.6  # of 540 digits in four epochs; guessing gives 0.1
    assert metrics["test_examples"] == 200
    assert metrics["test_errors"] == round(200 * (1 - metrics["test_accuracy"]))
    filters = 9 * (1 * 8 + 8 * 16 + 16 * 16 + 16 * 32 + 32 * 32)
    assert metrics["parameters"] == filters + 2 * 104 + 32 * 3 * 3 * 10 + 10
    rows = list(csv.DictReader((folder / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[3]["train_loss"]) < float(rows[0]["train_loss"])
    assert metrics["dev_accuracy"] == max(float(row["dev_accuracy"]) for row in rows)
    recipe = nnet_cnn.RECIPE | {"epochs": 4, "batch_size": 30, "width": 0.5, "design": "ours"}
    recipe |= {"seed": 0, "limit": None, "schedule": "one-cycle", "adversarial_share": 0.25}
    assert recipe.items() <= metrics["settings"].items()  # what --resume compares
    model = nnet_cnn.build_model(width=0.5)
    model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    x, y = utils.get_MNIST_data(data_dir=small_mnist)[2:]
    x = torch.from_numpy(x).view(-1, 1, 28, 28)
    read = train_utils.probabilities_of(model, x, metrics["precision"])[0].argmax(1)
    assert (read == y).mean() == metrics["test_accuracy"]


BAD = {
    "no such option": (["--epoch", "3"], "unrecognized arguments"),
    "text for a number": (["--batch-size", "many"], "invalid int value"),
    "batches larger than the data": (["--batch-size", "541"], "only 540 training examples"),
    "no data": (["--data-dir", "/nowhere"], "there is no folder"),
    "no channels": (["--width", "0.01"], "--width: 0.01 is not between 0.05 and 20"),
    "no such device": (["--device", "mps"], "--device"),
    "weights and nothing to read": (["--model", "m.pt"], "--model goes with --predict"),
    "no such design": (["--design", "none"], "--design"),
    "no such design to compare": (["--sweep", "quick", "none"], "--sweep none: the designs are"),
    "a step longer than any digit": (["--adversarial", "29"], "--adversarial: 29 is not between"),
    "an average of everything": (["--averaging", "1"], "--averaging: 1 is not between"),
    "labels of nothing but others": (["--label-smoothing", "1"], "--label-smoothing: 1 is not"),
    "no such schedule": (["--schedule", "cosine"], "--schedule"),
    "two things at once": (["--sweep", "--resume"], "--sweep does not go with --resume"),
    "a design without return": (["--design", "forgetful"], "design forgetful must give a list"),
    "a sweep without dev": (["--sweep", "--all-digits"], "leave out --all-digits"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line_and_status_2(name, small_mnist, tmp_path, as_program, monkeypatch):
    monkeypatch.setitem(nnet_cnn.DESIGNS, "forgetful", lambda width: None)
    more, words = BAD[name]
    argv = [*options(small_mnist, tmp_path / "run", "--width", 0.2), *more]
    status, out, errors = as_program(nnet_cnn.main, "nnet_cnn.py", *argv)
    assert (status, out) == (2, "")
    assert errors.startswith("nnet_cnn.py: error: ") and words in errors
    assert errors.count("\n") == 1


def test_resuming_a_finished_run_reports_it_again(trained, tmp_path):
    metrics, folder, argv = trained
    shutil.copy(folder / "checkpoint.npz", tmp_path)
    argv = [*argv, "--output-dir", str(tmp_path), "--no-plots", "--resume"]
    assert nnet_cnn.main(argv) == metrics
    assert (tmp_path / "metrics.json").exists()


def test_a_resumed_run_of_the_script_is_the_whole_one(trained, tmp_path, as_program, monkeypatch):
    """Ctrl-C in the third epoch says how to go on."""
    metrics, folder, argv = trained
    epochs, run_epoch = [], train_utils.run_epoch

    def interrupted(data, model, *given, **how):
        epochs.append(model.training)
        if epochs.count(True) == 3:
            raise KeyboardInterrupt
        return run_epoch(data, model, *given, **how)

    argv = [*argv, "--output-dir", str(tmp_path), "--no-plots"]
    with monkeypatch.context() as patch:
        patch.setattr(train_utils, "run_epoch", interrupted)
        status, _, errors = as_program(nnet_cnn.main, "nnet_cnn.py", *argv)
    words = "nnet_cnn.py: stopped; the same command with --resume goes on after epoch 2\n"
    assert (status, errors) == (130, words) and visible_files(tmp_path) == {"checkpoint.npz"}
    again = nnet_cnn.main([*argv, "--resume"])
    assert again["test_loss"] == metrics["test_loss"]
    old, new = (torch.load(where / "model.pt", weights_only=True) for where in (folder, tmp_path))
    assert all(torch.equal(old[name], new[name]) for name in old)


def test_a_last_run_learns_from_all_digits(small_mnist, tmp_path, as_program, monkeypatch):
    """Nothing is left to choose by: the last epoch counts. No table compares such a run."""
    figures_drawn(monkeypatch)
    argv = options(small_mnist, tmp_path, "--epochs", 2, "--batch-size", 30, "--width", 0.2)
    metrics = nnet_cnn.main([*argv, "--all-digits"])
    rows = list(csv.DictReader((tmp_path / "history.csv").open()))
    assert metrics["dev_accuracy"] is None and metrics["chosen_epoch"] == 2
    assert set(rows[0]) == {"epoch", "train_loss", "train_accuracy", "lr", "seconds"}
    assert metrics["examples_per_second"] * metrics["seconds"] == pytest.approx(2 * 600)
    assert visible_files(tmp_path) == RUN_FILES | {"filters.png", "activations.png"}
    again = nnet_cnn.main([*argv, "--all-digits", "--resume"])
    assert again == metrics
    status, _, errors = as_program(nnet_cnn.main, "nnet_cnn.py", *argv, "--resume")
    assert status == 2 and "all_digits True, not False" in errors
    status, out, errors = as_program(lambda: utils.main([str(tmp_path)]), "utils.py")
    wrong = 100 * (1 - metrics["test_accuracy"])
    assert (status, errors) == (0, "")
    assert out == f".: {wrong:.2f} % of test misread; there was no dev set\n"


# ------------------------------------------------------- photographs, as people really have them


@pytest.fixture(scope="module")
def well_trained(tmp_path_factory):
    """A network after one epoch of all of MNIST, with its test accuracy."""
    folder = tmp_path_factory.mktemp("trained")
    metrics = nnet_cnn.main(["--epochs", "1", "--quiet", "--output-dir", str(folder)])
    return folder, metrics


@pytest.mark.slow
def test_one_epoch_reads_99_percent(well_trained):
    assert well_trained[1]["test_accuracy"] >= 0.99


def enlarged(digit):
    return Image.fromarray(digit).resize((336, 336), Image.Resampling.BICUBIC)


def on_page(digit, paper, ink, random):
    """Write a digit, 12 times as large, somewhere on a page (H, W, 3) with ink (r, g, b)."""
    share = np.asarray(enlarged(digit), np.float32)[..., None] / 255
    page, row, column = paper.copy(), *random.integers(0, [160, 260])
    part = page[row : row + 336, column : column + 336]
    part[:] = part * (1 - share) + np.float32(ink) * share
    return Image.fromarray(page.clip(0, 255).astype(np.uint8))


def shaded(random):
    """Paper that is lit from one corner, with the noise of a camera."""
    light = np.linspace(120, 250, 600)[None, :] * np.linspace(0.8, 1, 500)[:, None]
    return (light + random.normal(0, 2, light.shape))[..., None].repeat(3, 2).astype(np.float32)


WHITE = np.full((500, 600, 3), 255, np.float32)
PHOTOGRAPHS = {  # (digit as bytes, random numbers) -> a picture, and the format it is kept in
    "inverted": (lambda digit, _: enlarged(255 - digit), "png"),
    "off-centre": (lambda digit, random: on_page(digit, WHITE, (0, 0, 0), random), "png"),
    "a bad JPEG": (lambda digit, random: on_page(digit, WHITE, (0, 0, 0), random), "jpg"),
    "uneven light": (lambda d, random: on_page(d, shaded(random), (30, 30, 30), random), "jpg"),
    "blue ink": (lambda digit, random: on_page(digit, WHITE, (20, 40, 160), random), "png"),
    "transparent": (lambda digit, _: transparent(digit), "png"),
    "chalk": (lambda d, random: on_page(d, WHITE * 0.15, (240, 230, 220), random), "jpg"),
}


def transparent(digit):
    picture = Image.new("RGBA", (336, 336), "black")
    picture.putalpha(enlarged(digit))
    return picture


@pytest.mark.slow
@pytest.mark.parametrize("kind", PHOTOGRAPHS)
def test_photographs_of_test_digits_are_read_nearly_as_well(kind, well_trained, mnist, tmp_path):
    """1,000 of the test digits, made into pictures as people have them, read by --predict."""
    random = np.random.default_rng(0)
    chosen = random.permutation(10000)[:1000]
    images, labels = (part[chosen] for part in mnist[1])
    make, ending = PHOTOGRAPHS[kind]
    paths = [tmp_path / f"{i:04}.{ending}" for i in range(1000)]
    for path, digit in zip(paths, images, strict=True):
        make(digit, random).save(path, **({"quality": 50} if ending == "jpg" else {}))
    argv = ["--model", well_trained[0] / "model.pt", "--predict", *paths]
    answers = nnet_cnn.main([str(option) for option in argv])
    found = {path: [] for path in paths}  # a row of digits has several answers
    for path, digits in answers:
        found[Path(path)] += digits
    read = [digits[0] if len(digits) == 1 else -1 for digits in found.values()]
    model = nnet_cnn.build_model()
    model.load_state_dict(torch.load(well_trained[0] / "model.pt", weights_only=True))
    x = torch.from_numpy(images[:, None] / np.float32(255))
    plain = train_utils.probabilities_of(model, x)[0].argmax(1)
    # One in a hundred is refused in words: better than a wrong answer.
    assert (read == labels).mean() >= (plain == labels).mean() - 0.02
