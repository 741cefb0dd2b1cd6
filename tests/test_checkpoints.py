"""checkpoints.py: a run that was stopped ends with the same bits; damaged files are refused."""

import math
import os
import resource
import types
import warnings
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

import checkpoints
import train_utils
from tests.test_train_utils import small_data, small_model, state_of
from train_utils import ShuffledBatches, batchify_data, train_model
from utils import UserError


def run(path, n_epochs, model=None, resume=False, stop_after=None, settings=None, history=None):
    """A short run with all that has a state: momentum, schedule, average, dropout, shuffling."""
    torch.manual_seed(0)
    model = model or nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
    )
    batches = ShuffledBatches(*small_data(40), 8, augment=lambda x: x + 0.1 * torch.randn_like(x))
    dev = batchify_data(*small_data(10, seed=1), 4, drop_last=False)
    history = [] if history is None else history
    if stop_after is not None:
        history = StopAfter(stop_after)
    train_model(batches, dev, model, 0.1, 0.9, True, n_epochs, schedule=train_utils.one_cycle,
                averaging=0.9, history=history, keep_best=True, checkpoint=path,
                resume=resume, settings=settings or {"lr": 0.1}, quiet=True)  # fmt: skip
    return state_of(model), [{**row, "seconds": 0} for row in history]


class StopAfter(list):
    """A history that is interrupted, as by Ctrl-C, once it has a number of epochs."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def append(self, row):
        if len(self) == self.epochs:
            raise KeyboardInterrupt
        super().append(row)


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, stop_after):
    whole, rows = run(tmp_path / "a.pt", 5)
    with pytest.raises(KeyboardInterrupt, match=f"goes on after epoch {stop_after}"):
        run(tmp_path / "b.pt", 5, stop_after=stop_after)
    torch.rand(100)  # other random numbers in between
    again, again_rows = run(tmp_path / "b.pt", 5, resume=True)
    assert torch.equal(whole, again) and rows == again_rows
    finished, _ = run(tmp_path / "b.pt", 5, resume=True)  # nothing is left to do
    assert torch.equal(whole, finished)


def test_the_same_seed_gives_the_same_bits_and_another_others(tmp_path):
    first, _ = run(None, 2)
    second, _ = run(None, 2)
    assert torch.equal(first, second)


def test_resuming_with_other_settings_names_the_setting(tmp_path):
    run(tmp_path / "a.pt", 1, settings={"lr": 0.1, "seed": 1})
    with pytest.raises(UserError, match=r"a\.pt was made with lr 0\.1, not 0\.2; .* anew$"):
        run(tmp_path / "a.pt", 1, resume=True, settings={"lr": 0.2, "seed": 1})


def test_resuming_without_a_checkpoint_says_so(tmp_path):
    with pytest.raises(UserError, match=r"no .*none\.pt to resume"):
        run(tmp_path / "none.pt", 1, resume=True)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    run(tmp_path / "a.pt", 1)
    with pytest.raises(UserError, match=r"a\.pt does not fit"):
        run(tmp_path / "a.pt", 1, model=small_model(), resume=True)


def test_a_checkpoint_whose_best_weights_do_not_fit_is_refused_at_once(tmp_path):
    run(tmp_path / "a.pt", 1)
    content = torch.load(tmp_path / "a.pt", weights_only=True)
    torch.save(content | {"best": small_model().state_dict()}, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"a\.pt does not fit"):
        run(tmp_path / "a.pt", 2, resume=True)


@pytest.mark.parametrize("more", [
    {"history": [{"epoch": 1}]}, {"history": 1}, {"random": torch.zeros(3)}, {"model": 1},
    {"best": None}, {"optimizer": {}},
    {"optimizer": {"steps": [], "velocities": []}}, {"optimizer": {"steps": 1, "velocities": [[]]}},
    {"settings": 5},
], ids=lambda more: str(*more))  # fmt: skip
def test_a_checkpoint_with_something_else_in_it_is_refused(tmp_path, more):
    run(tmp_path / "a.pt", 1)
    content = torch.load(tmp_path / "a.pt", weights_only=True)
    torch.save(content | more, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"a\.pt "):
        run(tmp_path / "a.pt", 1, resume=True)


def test_a_checkpoint_with_fewer_than_no_steps_is_refused(tmp_path):
    run(tmp_path / "a.pt", 1)
    content = torch.load(tmp_path / "a.pt", weights_only=True)
    content["optimizer"]["steps"] = -10  # the share of the averaged weights would divide by zero
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"a\.pt does not fit"):
        run(tmp_path / "a.pt", 2, resume=True)


def test_the_generator_of_a_gpu_is_kept_too(tmp_path, monkeypatch):
    class Device:
        state = torch.arange(3)

        def get_rng_state(self):
            return self.state

        def set_rng_state(self, state):
            self.state = state

    device = Device()
    generators = [("random", torch), ("random_cuda", device)]
    monkeypatch.setattr(checkpoints, "generators", lambda: generators)
    run(tmp_path / "a.pt", 1)
    device.state = None
    run(tmp_path / "a.pt", 1, resume=True)
    assert device.state.tolist() == [0, 1, 2]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full of Linux")
def test_weights_stay_whole_where_the_disk_is_full(tmp_path):
    path = tmp_path / "a.pt"
    checkpoints.write_tensors({"w": torch.ones(3)}, path)
    os.symlink("/dev/full", tmp_path / ".a.pt.unfinished")
    with pytest.raises(OSError, match="No space left"):
        checkpoints.write_tensors({"w": torch.zeros(3)}, path)
    assert checkpoints.load_tensors(path)["w"].tolist() == [1, 1, 1]


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as POSIX does")
def test_a_disk_that_fills_up_amid_the_weights_is_said(tmp_path):
    """Only in the middle of large tensors torch.save gives an error of its own instead."""

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError):
            checkpoints.write_tensors([torch.zeros(100_000)] + [torch.zeros(200_000)] * 2,
                                      tmp_path / "a.pt")  # fmt: skip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_program_in_place_of_weights_is_refused_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(1, 1)), tmp_path / "a.pt")
    with warnings.catch_warnings(record=True) as warned, pytest.raises(UserError, match=r"a\.pt"):
        checkpoints.load_tensors(tmp_path / "a.pt")
    assert not warned


def test_weights_from_a_gpu_are_read_without_one(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    torch.save({"w": torch.ones(3)}, tmp_path / "a.pt")
    assert checkpoints.load_tensors(tmp_path / "a.pt")["w"].device.type == "cpu"


def test_a_model_of_another_network_is_named(tmp_path):
    nan = {name: weights * math.nan for name, weights in small_model().state_dict().items()}
    for number, content in enumerate([{"w": torch.ones(3)}, [1], 5, "text", None, {1: 2}, nan]):
        path = tmp_path / f"{number}.pt"
        torch.save(content, path)
        args = types.SimpleNamespace(model=path, script="nnet_fc")
        with pytest.raises(UserError, match=rf"{number}\.pt does not fit the network"):
            train_utils.trained_reader(args, small_model())


DAMAGE = ["cut", "changed", "empty", "text", "a pickle", "a bomb"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_weights_are_refused(tmp_path, damage):
    path = tmp_path / "weights.pt"
    torch.save({"w": torch.arange(100.0)}, path)
    whole = path.read_bytes()
    assert checkpoints.load_tensors(path)["w"][99] == 99
    if damage == "cut":
        path.write_bytes(whole[:-100])
    elif damage == "changed":
        path.write_bytes(whole.replace(np.float32(50).tobytes(), np.float32(51).tobytes()))
    elif damage in ("empty", "text"):
        path.write_bytes(b"" if damage == "empty" else b"not weights at all")
    elif damage == "a pickle":
        torch.save({"w": print}, path)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", bytes(10 << 20))
    with pytest.raises(UserError, match=r"weights\.pt"):
        checkpoints.load_tensors(path)


def test_ctrl_c_between_an_epoch_and_its_checkpoint_waits(tmp_path, monkeypatch, ctrl_c):
    save = checkpoints.save_checkpoint

    def interrupted(*given):
        ctrl_c()
        save(*given)

    monkeypatch.setattr(checkpoints, "save_checkpoint", interrupted)
    batches = batchify_data(*small_data(), 5)
    with pytest.raises(KeyboardInterrupt, match="--resume goes on after epoch 1"):
        train_model(batches, batches, small_model(), checkpoint=tmp_path / "a.pt", quiet=True)
    assert len(checkpoints.load_tensors(tmp_path / "a.pt")["history"]) == 1
