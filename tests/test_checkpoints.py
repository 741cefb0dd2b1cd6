"""train_utils.py: a stopped run ends with the same bits; seeds make pairs; files of weights."""

import os
import types

import train_utils
import utils
from tests.test_train_utils import small_data, small_model, state_of
from train_utils import ShuffledBatches, batchify_data, train_model
from utils import UserError

import pytest
import torch
from torch import nn

EPOCHS, STEPS = 5, 5  # in each epoch


def noise(x):
    return x + 0.1 * torch.randn_like(x)


def run(folder, augment=noise, *, resume=False, seed=0, model=None, momentum=0.9, **how):
    """Train with all that has a state: momentum, schedule, average, dropout, shuffling, random
    images, and adversarial steps that grow. Returns the weights and the history without seconds."""
    torch.manual_seed(seed + 100 * resume)  # a resumed run has other first weights
    model = model or nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
    )
    batches = ShuffledBatches(*small_data(40), 8, augment=augment)
    dev = batchify_data(*small_data(30, seed=1), 7, drop_last=False)
    record = utils.Run(EPOCHS, seed, folder, {"lr": 0.1}, resume)
    how = {"schedule": train_utils.one_cycle, "averaging": 0.9, "adversarial": 0.2} | how
    train_model(batches, dev, model, 0.1, momentum, momentum > 0, EPOCHS, run=record, **how)
    return state_of(model), [{**row, "seconds": 0} for row in record.history]


def interrupted_in(step):
    """Random images that end in Ctrl-C at a step, which can be in the midst of an epoch."""
    steps = iter(range(step))

    def augment(x):
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return noise(x)

    return augment


OPTIMIZERS = {
    "momentum": ({"momentum": 0.9}, None),
    "without momentum": ({"momentum": 0.0}, None),
    "constant rate, no average": ({"schedule": None, "averaging": 0.0}, None),
    "Adam in its place": ({}, lambda parameters, lr, **_: torch.optim.Adam(parameters, lr)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, monkeypatch, name):
    how, optimizer = OPTIMIZERS[name]
    if optimizer:
        monkeypatch.setattr(torch.optim, "SGD", optimizer)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, rows = run(tmp_path / "a", **how)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", interrupted_in(3 * STEPS + 2), **how)
    again, again_rows = run(tmp_path / "b", resume=True, **how)
    assert torch.equal(whole, again) and rows == again_rows and len(rows) == EPOCHS
    finished, _ = run(tmp_path / "b", interrupted_in(0), resume=True, **how)  # nothing is left
    assert torch.equal(whole, finished)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(UserError, match=r"checkpoint\.npz is no checkpoint of this network"):
        run(tmp_path, resume=True, model=small_model())


# ------------------------------------------------------------------------------------ the seeds


def test_runs_of_one_seed_see_the_digits_in_the_same_order(monkeypatch):
    """So their differences are those of the settings; dropout and augmentation may draw as many
    random numbers as they like."""
    orders, drawn = [], torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda n: orders.append(drawn(n)) or orders[-1])
    run(None)
    run(None, augment=None, model=small_model(), averaging=0.0)
    usual, other = torch.stack(orders).split(EPOCHS)
    assert torch.equal(usual, other) and len(usual.unique(dim=0)) == EPOCHS


# ---------------------------------------------------------------------------- files of weights


def read_with(path):
    """Have a network's weights read as --predict --model does."""
    args = types.SimpleNamespace(model=path, name=None, script="nnet_fc", typed=set(), device="cpu")
    model = small_model(seed=1)
    train_utils.trained_reader(args, lambda args: model)
    return model


def test_weights_are_read_back(tmp_path):
    train_utils.write_weights(tmp_path / "model.pt", small_model())
    assert torch.equal(state_of(read_with(tmp_path / "model.pt")), state_of(small_model()))
    assert list(tmp_path.iterdir()) == [tmp_path / "model.pt"]
    with pytest.raises(UserError, match=r"there is no .*train a network first: python nnet_fc\.py"):
        read_with(tmp_path / "none.pt")


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as POSIX does")
def test_a_disk_that_fills_up_amid_the_weights_is_said(tmp_path):
    """Only in the middle of large tensors torch.save gives an error of its own instead."""
    import resource

    train_utils.write_weights(tmp_path / "a.pt", small_model())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError):
            train_utils.write_weights(tmp_path / "a.pt", nn.Linear(1000, 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.pt"]
    read_with(tmp_path / "a.pt")  # the old ones


def test_another_setting_of_the_optimizer_is_not_undone():
    model = torch.nn.Linear(2, 2)
    old = torch.optim.SGD(model.parameters(), 0.1)
    new = torch.optim.SGD(model.parameters(), 0.2, weight_decay=0.5)
    save, _ = train_utils.save_and_restore(model, old)
    _, restore = train_utils.save_and_restore(model, new)
    with pytest.raises(utils.UserError, match="the optimizer has another weight_decay: start anew"):
        restore(save())


def test_a_momentum_that_the_schedule_moves_is_no_other_setting():
    """PyTorch's OneCycleLR lets momentum fall while the rate rises."""
    model = torch.nn.Linear(2, 2)

    def parts():
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=20)

    (old, schedule), (new, again) = parts(), parts()
    for _ in range(3):
        old.step()
        schedule.step()
    assert old.param_groups[0]["momentum"] != new.param_groups[0]["momentum"]
    train_utils.save_and_restore(new, again)[1](train_utils.save_and_restore(old, schedule)[0]())
    assert old.param_groups[0]["momentum"] == new.param_groups[0]["momentum"]
