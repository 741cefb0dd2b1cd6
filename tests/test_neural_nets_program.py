"""neural_nets.py, the program: its files, resuming, damaged files, reading pictures, options."""

import json
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import neural_nets
import utils
from tests.conftest import ROOT, RUN_FILES, run_script, visible_files
from utils import UserError


@pytest.fixture(scope="module")
def run(small_mnist, tmp_path_factory):
    """A finished run: its options, folder, and metrics."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    options = ["--data-dir", small_mnist, "--hidden", 40, 30, "--epochs", 4, "--batch-size", 20]
    options = [str(o) for o in (*options, "--output-dir", folder)]
    return options, folder, neural_nets.main([*options, "--quiet"])


def arrays_of(path):
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


def assert_same_run(folder, other):
    """Compare all that two runs left, apart from times."""
    for name in ("model.npz", "checkpoint.npz"):
        one, two = arrays_of(folder / name), arrays_of(other / name)
        assert one.keys() == two.keys()
        for key in one.keys() - {"record"}:
            assert one[key].tobytes() == two[key].tobytes(), key
    histories = []
    for place in (folder, other):
        record = json.loads(arrays_of(place / "checkpoint.npz")["record"].item())
        histories.append([{k: v for k, v in row.items() if k != "seconds"}
                          for row in record["history"]])  # fmt: skip
    assert histories[0] == histories[1]


def test_a_run_leaves_its_files_and_figures(run, capsys):
    _, folder, metrics = run
    assert capsys.readouterr() == ("", "")
    files = {name.replace(".pt", ".npz") for name in RUN_FILES} | {"weights.png"}
    assert visible_files(folder) == files
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8")) == metrics
    assert metrics["test_accuracy"] > 0.7  # of 540 digits in four epochs; guessing gives 0.1
    assert metrics["test_errors"] == round(200 * (1 - metrics["test_accuracy"]))
    assert metrics["parameters"] == 784 * 40 + 40 + 40 * 30 + 30 + 30 * 10 + 10
    assert metrics["settings"] == {
        "epochs": 4, "batch_size": 20, "lr": neural_nets.LEARNING_RATE, "seed": 0, "limit": None,
        "hidden": [40, 30], "data_dir": str(Path(run[0][1]).resolve()),
    }  # fmt: skip
    weights = arrays_of(folder / "model.npz")
    images, labels = utils.get_MNIST_data(data_dir=run[0][1])[2:]
    read = neural_nets.forward(weights, images)[0].argmax(1)
    assert (read == labels).mean() == metrics["test_accuracy"]


def test_the_seed_chooses_the_first_weights(run, tmp_path, monkeypatch):
    first = []

    def train(params, *_):
        first.append(params)
        raise UserError("seen")

    monkeypatch.setattr(neural_nets, "train", train)
    for seed in ("7", "8"):
        with pytest.raises(UserError, match="seen"):
            neural_nets.main([*run[0][:-1], str(tmp_path), "--quiet", "--seed", seed])
    wanted = neural_nets.initialise([784, 40, 30, 10], np.random.default_rng(7))
    for name, a in wanted.items():
        np.testing.assert_array_equal(first[0][name], a)
    assert (first[1]["W1"] != wanted["W1"]).any()


def test_a_short_run_on_real_digits(tmp_path, capsys):
    options = ["--limit", "512", "--epochs", "1", "--no-plots", "--output-dir", str(tmp_path)]
    metrics = neural_nets.main(options)
    output = capsys.readouterr().out
    assert output.count("passed") == 5
    assert "epoch 1/1" in output
    assert metrics["test_examples"] == 10000
    assert metrics["test_accuracy"] > 0.3
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("stopped_in", [2, 4])
def test_interrupted_and_resumed_is_uninterrupted(run, tmp_path, monkeypatch, stopped_in):
    options, folder, _ = run
    options = [*options[:-1], str(tmp_path), "--no-plots"]
    epoch = neural_nets.train_epoch

    def interrupted(*given):
        if given[-1] == stopped_in:
            raise KeyboardInterrupt
        return epoch(*given)

    monkeypatch.setattr(neural_nets, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt, match=f"resume goes on after epoch {stopped_in - 1}"):
        neural_nets.main([*options, "--quiet"])
    monkeypatch.setattr(neural_nets, "train_epoch", epoch)
    neural_nets.main([*options, "--quiet", "--resume"])
    assert_same_run(folder, tmp_path)


def test_resuming_a_finished_run_reports_it_again(run, monkeypatch):
    options, _, metrics = run
    monkeypatch.setattr(neural_nets, "train_epoch", None)
    again = neural_nets.main([*options, "--quiet", "--resume", "--no-plots"])
    assert again == metrics


@pytest.mark.parametrize(
    "option, name",
    [
        (["--hidden", "40"], "hidden"),
        (["--epochs", "5"], "epochs"),
        (["--batch-size", "10"], "batch_size"),
        (["--lr", "0.07"], "lr"),
        (["--seed", "3"], "seed"),
        (["--limit", "500"], "limit"),
    ],
)
def test_resuming_with_other_settings_is_refused(run, as_program, option, name):
    options, folder, _ = run
    before = (folder / "checkpoint.npz").read_bytes()
    more = [*options, "--quiet", "--resume", *option]
    status, _, errors = as_program(neural_nets.main, "neural_nets.py", *more)
    assert status == 2
    assert f"was made with {name} " in errors
    assert errors.count("\n") == 1
    assert (folder / "checkpoint.npz").read_bytes() == before


def test_resuming_nothing_is_refused(run, tmp_path):
    with pytest.raises(UserError, match=r"no .*checkpoint\.npz to resume"):
        neural_nets.main([*run[0][:-1], str(tmp_path), "--resume", "--quiet"])


def damage(path, kind):
    """Damage a file of arrays in one of many ways."""
    content, arrays = path.read_bytes(), arrays_of(path)
    name = next(n for n in arrays if n.endswith("W1"))
    if kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "a bit":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif kind == "objects":
        np.savez(path, **arrays | {name: np.array([print], dtype=object)})
    elif kind == "lacking":
        np.savez(path, **{n: a for n, a in arrays.items() if n != name})
    elif kind == "more":
        np.savez(path, more=np.zeros(3), **arrays)
    elif kind == "shape":
        np.savez(path, **arrays | {name: arrays[name][:-1]})
    elif kind == "type":
        np.savez(path, **arrays | {name: arrays[name].astype(np.float64)})
    elif kind == "nan":
        np.savez(path, **arrays | {name: arrays[name] * np.float32("nan")})
    elif kind == "packed":
        np.savez_compressed(path, **arrays | {name: arrays[name] * 0})
    elif kind == "other":
        np.savez(path, a=np.zeros(3))


DAMAGES = ["cut", "empty", "a bit", "objects", "lacking", "more", "shape", "type", "nan", "packed",
           "other"]  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("file", ["model.npz", "checkpoint.npz"])
def test_damaged_files_are_named(run, tmp_path, as_program, file, kind):
    options, folder, _ = run
    (tmp_path / file).write_bytes((folder / file).read_bytes())
    damage(tmp_path / file, kind)
    options = [*options[:-1], tmp_path, "--quiet"]
    options += ["--resume"] if file == "checkpoint.npz" else ["--predict", __file__]
    status, output, errors = as_program(neural_nets.main, "neural_nets.py", *options)
    assert (status, output) == (2, "")
    assert errors.startswith("neural_nets.py: error: ")
    assert file in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("record", ["{}", "[]", "x", '{"settings": 1, "history": 2}'])
def test_a_checkpoint_with_another_record_is_refused(run, tmp_path, record):
    options, folder, _ = run
    arrays = arrays_of(folder / "checkpoint.npz") | {"record": np.array(record)}
    np.savez(tmp_path / "checkpoint.npz", **arrays)
    with pytest.raises(UserError, match=r"checkpoint\.npz"):
        neural_nets.main([*options[:-1], str(tmp_path), "--resume", "--quiet"])


@pytest.mark.parametrize("history", [[{}], 1, ["x"], [{"epoch": 1}], "huge", "deep"])
def test_a_checkpoint_with_another_history_is_refused(run, tmp_path, history):
    options, folder, _ = run
    arrays = arrays_of(folder / "checkpoint.npz")
    record = json.loads(arrays["record"].item())
    if history == "huge":
        record["history"][0]["lr"] = 10**400
    elif history != "deep":
        record["history"] = history
    text = "[" * 100_000 if history == "deep" else json.dumps(record)
    np.savez(tmp_path / "checkpoint.npz", **arrays | {"record": np.array(text)})
    with pytest.raises(UserError, match=r"checkpoint\.npz is no checkpoint"):
        neural_nets.main([*options[:-1], str(tmp_path), "--resume", "--quiet"])


def test_a_small_file_asks_for_no_large_network(tmp_path):
    """Biases of a layer that would need 784 x 100,000 weights."""
    np.savez(tmp_path / "model.npz", W1=np.zeros((784, 1), np.float32),
             b1=np.zeros(100_000, np.float32), W2=np.zeros((1, 10), np.float32),
             b2=np.zeros(10, np.float32))  # fmt: skip
    tracemalloc.start()
    with pytest.raises(UserError, match=r"model\.npz does not fit"):
        neural_nets.load_model(tmp_path / "model.npz")
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


class Trace:
    """An object whose pickle makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_model_runs_nothing(tmp_path):
    np.savez(tmp_path / "model.npz", W1=np.array([Trace(tmp_path / "trace")], dtype=object))
    with pytest.raises(UserError, match=r"model\.npz"):
        neural_nets.load_model(tmp_path / "model.npz")
    assert not (tmp_path / "trace").exists()


def test_predict_reads_pictures(run, tmp_path, mnist, as_program):
    images, labels = mnist[1]
    weights = arrays_of(run[1] / "model.npz")
    sure = neural_nets.read_digits(weights, utils.as_floats(images[:200]))[0]
    chosen = int(np.argmax(np.where(sure.argmax(1) == labels[:200], sure.max(1), 0)))
    page = np.zeros((400, 300), np.uint8)
    page[60:340, 10:290] = np.kron(images[chosen], np.ones((10, 10), np.uint8))
    Image.fromarray(255 - page).save(tmp_path / "digit.png")
    status, output, _ = as_program(
        neural_nets.main, "neural_nets.py", "--predict", tmp_path / "digit.png",
        "--model", run[1] / "model.npz", "--output-dir", tmp_path / "readings",
    )  # fmt: skip
    assert status == 0
    assert re.fullmatch(rf"\S+digit\.png: {labels[chosen]} \(\d+\.\d%\)\n", output)


def test_predict_without_a_model_says_how_to_get_one(tmp_path, as_program):
    status, _, errors = as_program(
        neural_nets.main, "neural_nets.py", "--predict", "x.png", "--model", tmp_path / "none.npz"
    )
    assert status == 2
    assert "none.npz" in errors
    assert "python neural_nets.py" in errors


@pytest.mark.parametrize(
    "options, words",
    [
        (["--hidden", "0"], "--hidden"),
        (["--hidden"], "--hidden"),
        (["--epochs", "0"], "--epochs"),
        (["--lr", "nan"], "--lr"),
        (["--lr", "-1"], "--lr"),
        (["--limit", "100", "--batch-size", "91"], "only 90 training examples"),
        (["--data-dir", "/no/such/place"], "--data-dir"),
        (["--momentum", "0.9"], "unrecognized"),
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


def test_without_a_display_nothing_is_trained_to_be_shown(as_program, tmp_path, monkeypatch):
    import matplotlib

    monkeypatch.setattr(matplotlib, "get_backend", lambda: "agg")
    status, output, errors = as_program(
        neural_nets.main, "neural_nets.py", "--show", "--output-dir", tmp_path
    )
    assert (status, output) == (2, "")
    assert errors == "neural_nets.py: error: there is no display to open a window on\n"


def test_as_a_program_bad_options_end_with_2():
    process = run_script("neural_nets.py", "--batch-size", "many")
    assert process.returncode == 2
    assert process.stderr.startswith("neural_nets.py: error: ")
    assert process.stderr.count("\n") == 1


def test_importing_prints_nothing_and_needs_neither_torch_nor_matplotlib():
    heavy = "{'torch', 'matplotlib', 'scipy', 'PIL'}"
    code = f"import sys, neural_nets; print(*{heavy} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (0, "\n", "")


# ------------------------------------------------------------------------------------- slow


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_default_run_keeps_its_promise(tmp_path):
    metrics = neural_nets.main(["--output-dir", str(tmp_path), "--quiet"])
    assert metrics["test_accuracy"] >= 0.986


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_stays_under_700_megabytes(tmp_path):
    code = (
        "import sys, neural_nets; neural_nets.main(sys.argv[1:]);"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"  # the peak, in kB
    )
    command = [sys.executable, "-c", code, "--epochs", "1", "--quiet", "--output-dir", tmp_path]
    assert 1024 * int(subprocess.check_output(command, cwd=ROOT, text=True)) < 700e6
