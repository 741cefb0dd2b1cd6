"""Every file that is read, damaged: a clean result or a UserError, and nothing else.

First at random: bytes are changed, cut out and put in. The quick suite tries a few files of each
kind, the slow one thousands. Then weights that are no weights, on purpose.
"""

import argparse
import contextlib
import gzip
import io
import json
import math
import pickle
import sys
import warnings
import zipfile

import neural_nets
import nnet_fc
import train_utils
import utils
import utils_multiMNIST
from tests.conftest import write_mnist
from tests.test_utils_multiMNIST import write_course_files
from utils import UserError

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

# One damage: a place (as a share of the length), what to do there, and with which bytes.
damages = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["change", "cut", "insert"]), st.binary(min_size=1)),
    min_size=1,
    max_size=4,
)


def damaged(content, changes):
    """Apply the changes to a file's bytes."""
    for place, action, new in changes:
        at = int(place * len(content))
        kept = at if action == "insert" else at + len(new)
        content = content[:at] + (b"" if action == "cut" else new) + content[kept:]
    return content


def inside_gzip(content, changes):
    """Damage what a gzip file holds, with a right checksum: an attacker makes that, not chance."""
    return gzip.compress(damaged(gzip.decompress(content), changes), 1)


def inside_zip(content, changes):
    """Damage one entry of a zip archive, chosen by the first change, with right checksums."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w") as new:
        names = old.namelist()
        chosen = names[int(changes[0][0] * (len(names) - 1))]
        for name in names:
            entry = old.read(name)
            new.writestr(name, damaged(entry, changes) if name == chosen else entry)
    return packed.getvalue()


def picture_bytes(kind):
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(np.uint8(np.add.outer(np.arange(40), np.arange(30)) * 3)).save(packed, kind)
    return packed.getvalue()


def checkpoint_of(folder):
    """Write the checkpoint of a run with one epoch; returns bytes, damage, and how to read it."""
    folder.mkdir()
    params = {"W1": np.zeros((2, 3), np.float32), "b1": np.zeros(3, np.float32)}

    def save():
        return params

    def restore(arrays):
        return [arrays[name] for name in params]

    run = utils.Run(3, 0, folder, {"lr": 0.1})
    next(run.epochs(save, restore))
    run.record((0.5, 0.75), (0.25, 0.875), 0.1, {"W": np.ones((2, 3), np.float32)})

    def read(path):
        again = utils.Run(3, 0, path.parent, {"lr": 0.1}, resume=True)
        assert next(again.epochs(save, restore)) == len(again.history) + 1

    return (folder / "checkpoint.npz").read_bytes(), damaged, read


def bytes_of(write, *content):
    packed = io.BytesIO()
    write(packed, *content)
    return packed.getvalue()


def reader_of(path):
    """Build the network of a run of lesson 2 as --predict does."""
    names = {"hidden": [4], "activation": "relu", "batch_norm": True}
    options = {"script": "nnet_fc", "device": "cpu", "precision": "fp32", "typed": set(), **names}
    args = argparse.Namespace(model=path.with_name("model.pt"), code=0, **options)
    return train_utils.trained_reader(args, nnet_fc.model_of, names)


def mnist_pickle():
    pairs = [(np.eye(12, 784, dtype=np.float32), np.arange(12) % 10)] * 3
    return gzip.compress(pickle.dumps(pairs, protocol=2))


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """{kind: (name of the file, whole bytes, damage to do, function that reads it)}."""
    mnist = write_mnist(tmp_path_factory.mktemp("mnist"), 30, 20)
    course = tmp_path_factory.mktemp("course")
    write_course_files(course, 4, 3)
    images, labels = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
    runs = tmp_path_factory.mktemp("runs")
    weights = bytes_of(
        lambda file, model: torch.save(model, file), nnet_fc.build_model([4]).state_dict()
    )
    arrays = bytes_of(lambda file: np.savez(file, **PARAMS))

    def beside(folder, read):  # the damaged file among the whole ones of its folder
        def call(path):
            for whole in folder.iterdir():
                if whole.name not in (path.name, f"{path.name}.gz"):
                    (path.parent / whole.name).write_bytes(whole.read_bytes())
            return read(path.parent)

        return call

    def files(folder, name):
        return name, (folder / name).read_bytes()

    def pairs(folder):
        return utils_multiMNIST.get_data(folder, True)

    read_mnist, read_pairs = beside(mnist, utils.read_mnist), beside(course, pairs)
    plain = gzip.decompress((mnist / f"{images}.gz").read_bytes())
    (runs / "pt").mkdir()
    (runs / "pt" / "model.pt").write_bytes(weights)
    metrics = json.dumps({"script": "nnet_fc", "settings": {"hidden": [4]}}).encode()
    pickled = gzip.compress(pickle.dumps({"x": np.eye(3), "y": [1, "two", (3.0, None)]}))
    return {
        "IDX": (images, plain, damaged, read_mnist),
        "IDX, gzip'd": (*files(mnist, f"{images}.gz"), damaged, read_mnist),
        "IDX inside gzip": (*files(mnist, f"{labels}.gz"), inside_gzip, read_mnist),
        "pickle, gzip'd": ("a.pkl.gz", pickled, damaged, utils.read_pickle_data),
        "pickle inside gzip": ("a.pkl.gz", pickled, inside_gzip, utils.read_pickle_data),
        "course's MNIST": (
            "mnist.pkl.gz",
            mnist_pickle(),
            inside_gzip,
            lambda path: utils.read_mnist(path.parent),
        ),
        "two digits": (*files(course, "train_multi_digit_mini.pkl.gz"), inside_gzip, read_pairs),
        "labels": (*files(course, "test_labels_mini.txt.gz"), inside_gzip, read_pairs),
        "checkpoint": ("checkpoint.npz", *checkpoint_of(runs / "numpy")),
        "model.npz": ("model.npz", arrays, damaged, neural_nets.load_model),
        "model.npz inside zip": ("model.npz", arrays, inside_zip, neural_nets.load_model),
        "model.pt": ("model.pt", weights, damaged, reader_of),
        "model.pt inside zip": ("model.pt", weights, inside_zip, reader_of),
        "metrics": (
            "metrics.json",
            metrics,
            damaged,
            beside(runs / "pt", lambda f: reader_of(f / "metrics.json")),
        ),
        "PNG": ("x.png", picture_bytes("png"), damaged, utils.read_picture),
        "JPEG": ("x.jpg", picture_bytes("jpeg"), damaged, utils.read_picture),
    }


KINDS = [
    "IDX",
    "IDX, gzip'd",
    "IDX inside gzip",
    "pickle, gzip'd",
    "pickle inside gzip",
    "course's MNIST",
    "two digits",
    "labels",
    "checkpoint",
    "model.npz",
    "model.npz inside zip",
    "model.pt",
    "model.pt inside zip",
    "metrics",
    "PNG",
    "JPEG",
]
QUICK, SLOW = 8, 600


@contextlib.contextmanager
def little_memory():
    """Let this process have 2 GiB more than it has, where that can be said: no file needs them."""
    if sys.platform != "linux":
        yield
        return
    import resource

    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (2 << 30), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize("count", [QUICK, pytest.param(SLOW, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_refused_or_read(kinds, kind, count, tmp_path):
    name, whole, damage, read = kinds[kind]
    (tmp_path / name).write_bytes(whole)
    read(tmp_path / name)  # undamaged, it can be read
    refused = []

    @settings(
        max_examples=count,
        deadline=5000,
        database=None,
        derandomize=count == QUICK,
        suppress_health_check=list(HealthCheck),
    )
    @given(changes=damages)
    def try_one(changes):
        (tmp_path / name).write_bytes(damage(whole, changes))
        try:
            read(tmp_path / name)
        except UserError as error:
            assert "\n" not in str(error)
            refused.append(error)

    with little_memory():
        try_one()
    assert refused  # nearly all damage is noticed; none at all would mean that nothing was tried


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "text", "a program", "a bomb"])
@pytest.mark.parametrize("name", ["model.pt", "model.npz", "checkpoint.npz"])
def test_damaged_weights_are_named(kinds, name, damage, tmp_path):
    kind = "checkpoint" if name == "checkpoint.npz" else name
    _, whole, _, read = kinds[kind]
    path = tmp_path / name
    if damage == "cut":
        path.write_bytes(whole[:-100])
    elif damage == "changed":  # a bit, in the middle of the weights
        half = len(whole) // 2
        path.write_bytes(whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :])
    elif damage in ("empty", "text"):
        path.write_bytes(b"" if damage == "empty" else b"not weights at all")
    elif damage == "a program" and name == "model.pt":
        torch.save({"w": Program(tmp_path / "trace")}, path)
    elif damage == "a program":
        program = np.array(Program(tmp_path / "trace"), object)
        np.savez(path, W1=program, facts=program)
    else:  # all is there, and 10 MB of zeros that are no longer than 10 kB
        with zipfile.ZipFile(io.BytesIO(whole)) as old:
            entries = {entry: old.read(entry) for entry in old.namelist()}
        more = f"{list(entries)[0].rpartition('/')[0]}/more.npy".lstrip("/")
        zeros = bytes_of(np.save, np.zeros(10 << 20, np.uint8))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, content in (entries | {more: zeros}).items():
                archive.writestr(entry, content)
    with pytest.raises(UserError, match=rf"{name} ") as error:
        read(path)
    assert "\n" not in str(error.value) and not (tmp_path / "trace").exists()


class Program:
    """What a pickle of it does when it is loaded: it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


NO_NUMBER = {
    name: weights * math.nan for name, weights in nnet_fc.build_model([4]).state_dict().items()
}


@pytest.mark.parametrize(
    "content",
    [{"w": torch.ones(3)}, [1], {1: 2}, NO_NUMBER],
    ids=["another's", "a list", "no names", "no numbers"],
)
def test_weights_of_another_network_are_said_not_to_fit(tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(UserError, match=r"model\.pt does not fit the network that nnet_fc\.py"):
        reader_of(tmp_path / "model.pt")


PARAMS = neural_nets.initialise([784, 3, 10], np.random.default_rng(0))


@pytest.mark.parametrize(
    "params",
    [
        {"W1": PARAMS["W1"]},
        PARAMS | {"W1": PARAMS["W1"][:-1]},
        neural_nets.initialise([784, 3, 11], np.random.default_rng(0)),
        PARAMS | {"W2": PARAMS["W2"] * np.float32("nan")},
    ],
    ids=["lacking", "another size", "eleven digits", "no numbers"],
)
def test_weights_that_are_not_of_lesson_1_are_said_not_to_fit(tmp_path, params):
    np.savez(tmp_path / "model.npz", **params)
    with pytest.raises(UserError, match=r"model\.npz does not fit the network of neural_nets\.py"):
        neural_nets.load_model(tmp_path / "model.npz")


def test_a_program_in_place_of_weights_is_refused_without_a_warning(tmp_path):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(1, 1)), tmp_path / "model.pt")
        warnings.simplefilter("always")
        with pytest.raises(UserError, match=r"model\.pt "):
            reader_of(tmp_path / "model.pt")
    assert not warned


def test_weights_from_a_gpu_are_read_without_one(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    torch.save(nnet_fc.build_model([4]).state_dict(), tmp_path / "model.pt")
    monkeypatch.undo()
    chances = reader_of(tmp_path / "model.pt")(np.zeros((3, 28, 28), np.float32))
    assert chances.shape == (1, 3, 10) and chances.sum(2) == pytest.approx(1)
