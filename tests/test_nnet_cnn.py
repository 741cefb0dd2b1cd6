"""nnet_cnn.py: the network's shapes, and the script as its users run it."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

import nnet_cnn
import train_utils
import utils
from tests.conftest import ROOT, RUN_FILES, run_script, visible_files


def test_the_shapes_are_those_of_the_comments():
    model = nnet_cnn.build_model().eval()
    x, shapes = torch.zeros(2, 1, 28, 28), []
    for layer in model:
        x = layer(x)
        if isinstance(layer, torch.nn.ReLU | train_utils.Flatten | torch.nn.Linear):
            shapes.append(tuple(x.shape[1:]))
    maps = [(16, 14, 14), (32, 14, 14), (32, 7, 7), (64, 7, 7), (64, 3, 3)]
    assert shapes == [*maps, (576,), (10,)]
    # 3 x 3 filters without biases, a scale and a shift per channel, then the matrix and its biases.
    filters = 9 * (1 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64)
    assert sum(p.numel() for p in model.parameters()) == filters + 2 * 208 + 576 * 10 + 10


def test_a_width_multiplies_the_channels_and_is_known_when_the_network_reads(
    small_mnist, tmp_path, capsys
):
    filters = 9 * (1 * 8 + 8 * 16 + 16 * 16 + 16 * 32 + 32 * 32)
    folder = ["--output-dir", str(tmp_path)]
    metrics = nnet_cnn.main(["--data-dir", str(small_mnist), *folder, "--epochs", "1", "--width",
                             "0.5", "--limit", "200", "--no-plots", "--quiet"])  # fmt: skip
    assert metrics["parameters"] == filters + 2 * 104 + 32 * 3 * 3 * 10 + 10
    picture = tmp_path / "seven.png"
    Image.fromarray(np.pad(np.full((20, 4), 0, np.uint8), 10, constant_values=255)).save(picture)
    nnet_cnn.main(["--predict", str(picture), *folder])
    assert capsys.readouterr().out.startswith(f"{picture}: ")


def test_pooling_first_is_the_same_network():
    """conv-pool-norm-ReLU equals conv-norm-ReLU-pool where the normalisation's scale is > 0."""
    torch.manual_seed(0)
    conv, pool, norm, relu = train_utils.convolution(1, 16, pool=True)
    norm.eval()
    torch.nn.init.uniform_(norm.weight, 0.5, 2.0)
    torch.nn.init.normal_(norm.bias)
    x = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(relu(norm(pool(conv(x)))), pool(relu(norm(conv(x)))))


@pytest.fixture(scope="module")
def trained(small_mnist, tmp_path_factory):
    """One short run: its metrics and its folder."""
    folder = tmp_path_factory.mktemp("run")
    argv = ["--data-dir", small_mnist, "--output-dir", folder, "--epochs", 4, "--batch-size", 30]
    return nnet_cnn.main([*map(str, argv), "--quiet"]), folder


def test_a_run_learns_and_writes_its_files(trained):
    metrics, folder = trained
    assert visible_files(folder) == RUN_FILES | {"filters.png", "activations.png"}
    assert metrics == json.loads((folder / "metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.6  # of 540 digits in four epochs; guessing gives 0.1
    assert metrics["test_examples"] == 200
    assert metrics["test_errors"] == round(200 * (1 - metrics["test_accuracy"]))
    assert metrics["parameters"] == 75450 and metrics["epochs"] == 4 and metrics["seed"] == 0
    rows = list(csv.DictReader((folder / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[3]["train_loss"]) < float(rows[0]["train_loss"])
    assert metrics["dev_accuracy"] == max(float(row["dev_accuracy"]) for row in rows)


def test_the_written_weights_are_those_that_were_tested(trained, small_mnist):
    metrics, folder = trained
    model = nnet_cnn.build_model()
    model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    x, y = utils.get_MNIST_data(data_dir=small_mnist)[2:]
    x = torch.from_numpy(x).view(-1, 1, 28, 28)
    read = train_utils.read_digits(model, x, metrics["precision"])[0].argmax(1)
    assert (read == y).mean() == metrics["test_accuracy"]


def test_the_command_line_says_how_far_digits_are_nudged(small_mnist, tmp_path, monkeypatch):
    seen = []

    def pretend(*arguments, **settings):
        seen.append(settings["nudged"])
        raise utils.UserError("enough")

    monkeypatch.setattr(train_utils, "train", pretend)
    for options in ([], ["--nudge", "0"], ["--nudge", "0.25"]):
        with pytest.raises(utils.UserError, match="enough"):
            nnet_cnn.main([*options, "--data-dir", str(small_mnist), "--output-dir", str(tmp_path)])
    assert seen == [nnet_cnn.NUDGE, 0, 0.25]


def test_the_same_seed_gives_the_same_weights(small_mnist, tmp_path):
    argv = ["--data-dir", str(small_mnist), "--limit", "200", "--epochs", "1", "--quiet",
            "--batch-size", "30", "--no-plots", "--output-dir"]  # fmt: skip
    weights = []
    for name, more in (("a", []), ("b", []), ("c", ["--seed", "1"])):
        nnet_cnn.main([*argv, str(tmp_path / name), *more])
        weights.append(torch.load(tmp_path / name / "model.pt", weights_only=True))
    same, other = (
        all(torch.equal(a, b) for a, b in zip(weights[0].values(), w.values(), strict=True))
        for w in weights[1:]
    )
    assert same and not other


def test_no_plots_writes_no_pictures_and_loads_no_matplotlib(small_mnist, tmp_path):
    code = (f"import sys; sys.path.insert(0, {str(ROOT)!r}); import nnet_cnn\n"
            f"nnet_cnn.main(['--data-dir', {str(small_mnist)!r}, '--output-dir', {str(tmp_path)!r},"
            "'--epochs', '1', '--no-plots', '--limit', '200'])\n"
            "assert 'matplotlib' not in sys.modules")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert visible_files(tmp_path) == {"model.pt", "checkpoint.pt", "metrics.json", "history.csv"}


def test_a_log_file_gets_plain_lines(small_mnist, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/old.png").write_bytes(b"of an earlier run")
    done = run_script("nnet_cnn.py", "--data-dir", small_mnist, "--output-dir", tmp_path / "run",
                      "--epochs", 2, "--no-plots", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0 and done.stderr == "" and "\r" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == "75,450 weights learn from 540 pictures; dev has 60"
    assert lines[1].startswith("epoch 1/2") and lines[2].startswith("epoch 2/2")
    assert lines[3].startswith("test: ") and "of 200 right (95 % interval" in lines[3]
    chosen = json.loads((tmp_path / "run/metrics.json").read_text())["chosen_epoch"]
    assert lines[4] == f"weights: of epoch {chosen} of 2, the best on dev"
    assert lines[-1] == "results in run: history.csv, metrics.json, model.pt"


BAD = {
    "no such option": (["--epoch", "3"], "unrecognized arguments"),
    "no epochs": (["--epochs", "0"], "--epochs: 0 is not between 1 and 100000"),
    "too many epochs": (["--epochs", "100001"], "--epochs: 100001 is not between"),
    "batches of nothing": (["--batch-size", "0"], "--batch-size: 0 is not between"),
    "a seed below 0": (["--seed", "-1"], "--seed: -1 is not between"),
    "a seed that NumPy has not": (["--seed", "4294967296"], "--seed: 4294967296 is not between"),
    "momentum that never ends": (["--momentum", "1"], "--momentum: 1 is not between"),
    "a negative rate": (["--lr", "-1"], "argument --lr"),
    "a rate that is no number": (["--lr", "nan"], "argument --lr"),
    "text for a number": (["--batch-size", "many"], "invalid int value"),
    "one digit": (["--limit", "1"], "argument --limit"),
    "batches larger than the data": (["--batch-size", "541"], "only 540 training examples"),
    "a rate that explodes": (["--lr", "1000", "--momentum", "0.999"], "lower --lr"),
    "no data": (["--data-dir", "/nowhere"], "there is no folder"),
    "nothing to resume": (["--resume"], "to resume; leave out --resume"),
    "no weights": (["--predict", "x.png", "--model", "none.pt"], "train a network first"),
    "no channels": (["--width", "0.01"], "--width: 0.01 is not between 0.05 and 20"),
    "no such device": (["--device", "mps"], "--device"),
    "weights and nothing to read": (["--model", "m.pt"], "--model goes with --predict"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line_and_status_2(name, small_mnist, tmp_path, as_program):
    options, words = BAD[name]
    options = ["--data-dir", small_mnist, "--output-dir", tmp_path / "run", "--quiet", *options]
    status, out, errors = as_program(nnet_cnn.main, "nnet_cnn.py", *options)
    assert (status, out) == (2, "")
    assert errors.startswith("nnet_cnn.py: error: ") and words in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(("number", "status"), [
    (signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)
])  # fmt: skip
def test_an_interrupted_run_says_how_to_go_on(number, status, small_mnist, tmp_path):
    command = [sys.executable, str(ROOT / "nnet_cnn.py"), "--data-dir", str(small_mnist),
               "--output-dir", str(tmp_path), "--epochs", "5000", "--batch-size", "60"]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not child.stdout.readline().startswith("epoch"):
        assert child.poll() is None
    time.sleep(0.3)
    child.send_signal(number)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == status
    words = "nnet_cnn.py: stopped; the same command with --resume goes on after epoch "
    assert errors.startswith(words)
    assert errors.count("\n") == 1 and visible_files(tmp_path) == {"checkpoint.pt"}


@pytest.mark.parametrize(("option", "name"), [
    (["--epochs", 5], "epochs"), (["--lr", 0.1], "lr"), (["--momentum", 0.5], "momentum"),
    (["--seed", 1], "seed"), (["--limit", 500], "limit"),
])  # fmt: skip
def test_resuming_with_other_settings_is_refused(trained, small_mnist, as_program, option, name):
    folder = trained[1]
    before = (folder / "checkpoint.pt").read_bytes()
    argv = ["--data-dir", small_mnist, "--output-dir", folder, "--epochs", 4, "--batch-size", 30]
    options = [*argv, "--quiet", "--resume", *option]
    status, _, errors = as_program(nnet_cnn.main, "nnet_cnn.py", *options)
    assert status == 2 and f"was made with {name} " in errors and errors.count("\n") == 1
    assert (folder / "checkpoint.pt").read_bytes() == before


def test_resuming_a_finished_run_reports_it_again(trained, small_mnist, tmp_path):
    metrics, folder = trained
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "metrics.json").unlink()
    argv = ["--data-dir", small_mnist, "--output-dir", copy, "--epochs", 4, "--batch-size", 30]
    argv += ["--quiet", "--no-plots", "--resume"]
    assert nnet_cnn.main(list(map(str, argv))) == metrics
    assert (copy / "metrics.json").exists()


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
    options = ["--model", well_trained[0] / "model.pt", "--predict", *paths]
    answers = nnet_cnn.main([str(option) for option in options])
    read = [digits[0] if digits else -1 for _, digits in answers]
    model = nnet_cnn.build_model()
    model.load_state_dict(torch.load(well_trained[0] / "model.pt", weights_only=True))
    x = torch.from_numpy(images[:, None] / np.float32(255))
    plain = train_utils.read_digits(model, x)[0].argmax(1)
    assert (read == labels).mean() >= (plain == labels).mean() - 0.01


# ----------------------------------------------------------------- drawing with the mouse


def mouse(figure, name, axes, x, y, button=1):
    from matplotlib.backend_bases import MouseEvent

    px, py = axes.transData.transform((x, y))
    figure.canvas.callbacks.process(name, MouseEvent(name, figure.canvas, px, py, button))


def test_a_drawn_stroke_is_shown_to_the_network_and_cleared():
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    asked = []

    def classify(x):
        asked.append(x)
        return np.eye(10, dtype=np.float32)[None, 1:2] * 0.75

    figure, button = nnet_cnn.drawing_pad(classify)
    figure.canvas.draw()
    pad, seen, bars, below = figure.axes
    mouse(figure, "button_press_event", pad, 140, 60)
    mouse(figure, "motion_notify_event", pad, 140, 220)  # a "1" in one jump
    mouse(figure, "button_release_event", pad, 140, 220)
    mouse(figure, "motion_notify_event", pad, 20, 20, button=None)  # the pen is up
    sheet = pad.images[0].get_array()
    assert sheet[60:220, 140].min() == 1  # no gaps
    assert sheet[:, :120].max() == 0 and sheet[:, 160:].max() == 0
    assert asked[-1].shape == (1, 28, 28) and asked[-1].dtype == np.float32
    rows, columns = np.nonzero(asked[-1][0] > 0.5)
    assert np.ptp(rows) + 1 == 20 and 2 <= np.ptp(columns) + 1 <= 4  # MNIST's box of 20
    assert np.array_equal(seen.images[0].get_array(), asked[-1][0])
    assert [bar.get_height() for bar in bars.patches] == [0, 75, 0, 0, 0, 0, 0, 0, 0, 0]
    mouse(figure, "button_press_event", pad, 50, 30)  # and leaves the sheet with the pen down
    mouse(figure, "motion_notify_event", seen, 5, 5)
    mouse(figure, "motion_notify_event", pad, 200, 30)
    assert pad.images[0].get_array()[30, 100:180].max() == 0
    for name in ("button_press_event", "button_release_event"):
        mouse(figure, name, below, 0.5, 0.5)
    assert pad.images[0].get_array().max() == 0
    assert [bar.get_height() for bar in bars.patches] == [0] * 10
    pyplot.close(figure)


@pytest.mark.parametrize("option", ["--draw", "--show"])
def test_without_a_display_one_line_says_so(option, tmp_path, as_program, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib

    matplotlib.use("agg")
    status, out, errors = as_program(nnet_cnn.main, "nnet_cnn.py", option, "--output-dir", tmp_path)
    assert (status, out) == (2, "")
    assert errors == (
        "nnet_cnn.py: error: there is no display to open a window on\n"
    )
