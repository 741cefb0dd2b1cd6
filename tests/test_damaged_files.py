"""Every file that is read, damaged at random: a clean result or a UserError, and nothing else.

Bytes are changed, cut out and put in. The quick suite tries a few files of each kind, the slow one
thousands.
"""

import argparse
import gzip
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import checkpoints
import neural_nets
import nnet_fc
import photographs
import reports
import train_utils
import utils
import utils_multiMNIST
from tests.conftest import write_mnist
from tests.test_utils_multiMNIST import write_course_files
from utils import UserError

# One damage: a place (as a share of the length), what to do there, and with which bytes.
damages = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["change", "cut", "insert"]), st.binary(min_size=1)),
    min_size=1, max_size=4,
)  # fmt: skip


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


def tiny_checkpoint():
    """A checkpoint of train_model and how to read it back."""
    model = nnet_fc.build_model([4])
    parts = {"model": model, "optimizer": train_utils.SGD(model.parameters(), None, 0.9, True)}
    packed = io.BytesIO()
    content = {name: part.state_dict() for name, part in parts.items()}
    row = reports.history_row(1, (0.5, 0.75), (0.25, 0.875), 0.1, 2.0)
    torch.save(content | {"best": model.state_dict(), "history": [row], "settings": {"lr": 0.1},
                          "random": torch.get_rng_state()}, packed)  # fmt: skip
    return packed.getvalue(), lambda path: checkpoints.load_checkpoint(path, parts, [], {"lr": 0.1})


def tiny_arrays():
    packed = io.BytesIO()
    np.savez(packed, **neural_nets.initialise([784, 3, 10], np.random.default_rng(0)))
    return packed.getvalue()


def mnist_pickle():
    pairs = [(np.eye(12, 784, dtype=np.float32), np.arange(12) % 10)] * 3
    return gzip.compress(pickle.dumps(pairs, protocol=2))


def read_settings(path):
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--hidden", type=int, nargs="+")
    args = argparse.Namespace(model=path, script="nnet_fc")
    try:
        return reports.recall_settings(parser, args, ["hidden"])
    except SystemExit as stop:  # argparse refuses a value that is no number, with one line
        assert stop.code == 2


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """{kind: (name of the file, whole bytes, damage to do, function that reads it)}."""
    mnist = write_mnist(tmp_path_factory.mktemp("mnist"), 30, 20)
    course = tmp_path_factory.mktemp("course")
    write_course_files(course, 4, 3)
    images, labels = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
    checkpoint, resume = tiny_checkpoint()

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
    metrics = json.dumps({"script": "nnet_fc", "settings": {"hidden": [30, 20]}}).encode()
    pickled = gzip.compress(pickle.dumps({"x": np.eye(3), "y": [1, "two", (3.0, None)]}))
    return {
        "IDX": (images, plain, damaged, read_mnist),
        "IDX, gzip'd": (*files(mnist, f"{images}.gz"), damaged, read_mnist),
        "IDX inside gzip": (*files(mnist, f"{labels}.gz"), inside_gzip, read_mnist),
        "pickle, gzip'd": ("a.pkl.gz", pickled, damaged, utils.read_pickle_data),
        "pickle inside gzip": ("a.pkl.gz", pickled, inside_gzip, utils.read_pickle_data),
        "course's MNIST": ("mnist.pkl.gz", mnist_pickle(), inside_gzip,
                           lambda path: utils.read_mnist(path.parent)),
        "two digits": (*files(course, "train_multi_digit_mini.pkl.gz"), inside_gzip, read_pairs),
        "labels": (*files(course, "test_labels_mini.txt.gz"), inside_gzip, read_pairs),
        "checkpoint": ("c.pt", checkpoint, damaged, resume),
        "checkpoint inside zip": ("c.pt", checkpoint, inside_zip, resume),
        "arrays": ("m.npz", tiny_arrays(), damaged, neural_nets.load_model),
        "arrays inside zip": ("m.npz", tiny_arrays(), inside_zip, neural_nets.load_model),
        "metrics": ("metrics.json", metrics, damaged, read_settings),
        "PNG": ("x.png", picture_bytes("png"), damaged, photographs.read_picture),
        "JPEG": ("x.jpg", picture_bytes("jpeg"), damaged, photographs.read_picture),
        "GIF": ("x.gif", picture_bytes("gif"), damaged, photographs.read_picture),
        "TIFF": ("x.tiff", picture_bytes("tiff"), damaged, photographs.read_picture),
    }


KINDS = [
    "IDX", "IDX, gzip'd", "IDX inside gzip", "pickle, gzip'd", "pickle inside gzip",
    "course's MNIST", "two digits", "labels", "checkpoint", "checkpoint inside zip", "arrays",
    "arrays inside zip", "metrics", "PNG", "JPEG", "GIF", "TIFF",
]  # fmt: skip
QUICK, SLOW = 15, 600
GIGABYTE = 1 << 20  # in the kilobytes that the system counts a process's memory in


def most_memory():
    """The most memory that this process has had so far, in kilobytes (0 where nobody counts)."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("count", [QUICK, pytest.param(SLOW, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_refused_or_read(kinds, kind, count, tmp_path):
    name, whole, damage, read = kinds[kind]
    (tmp_path / name).write_bytes(whole)
    read(tmp_path / name)  # undamaged, it can be read
    before, refused = most_memory(), []

    @settings(max_examples=count, deadline=5000, database=None, derandomize=count == QUICK,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(changes=damages)
    def try_one(changes):
        (tmp_path / name).write_bytes(damage(whole, changes))
        try:
            read(tmp_path / name)
        except UserError as error:
            assert "\n" not in str(error)
            refused.append(error)

    try_one()
    assert most_memory() - before < GIGABYTE
    assert refused  # nearly all damage is noticed; none at all would mean that nothing was tried
