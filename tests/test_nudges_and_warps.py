"""train_utils.py: what is learned instead of the digits as they are: nudged, smoothed, warped."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import train_utils
from tests.test_train_utils import TwoHeads, small_data, small_model, state_of
from train_utils import batchify_data, run_epoch, train_model

# -------------------------------------------------------------------------------------- nudges


@pytest.mark.parametrize("heads", [1, 2])
def test_a_nudge_goes_where_the_loss_grows_fastest(heads):
    """Against finite differences in float64: every picture moves along its own loss's gradient."""
    x, y = small_data(4)
    model = (small_model() if heads == 1 else TwoHeads()).double()
    x, y = x.double().view(4, 2, 3), y if heads == 1 else torch.stack([y, (y + 1) % 3])
    model = nn.Sequential(train_utils.Flatten(), model)

    def loss(pictures, i):
        outs = model(pictures[i : i + 1])
        pairs = zip(outs, y[:, i], strict=True) if heads == 2 else [(outs, y[i])]
        return sum(F.cross_entropy(out, label[None]).item() for out, label in pairs)

    gradient = torch.zeros_like(x)
    for index in np.ndindex(*x.shape):
        for step in (1e-6, -1e-6):
            moved = x.clone()
            moved[index] += step
            gradient[index] += loss(moved, index[0]) / (2 * step)
    steps = train_utils.nudge(model, x, y, 0.3) - x
    lengths = gradient.flatten(1).norm(dim=1).view(4, 1, 1)
    torch.testing.assert_close(steps, 0.3 * gradient / lengths, rtol=1e-5, atol=1e-7)


def test_a_nudge_leaves_the_network_as_it_was():
    """It looks through the averages of batch normalisation and without dropout; one picture does
    not depend on the others; nothing is learned and no random number drawn."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5),
                          nn.Linear(5, 3)).train()  # fmt: skip
    (x, y), before, random = small_data(8), state_of(model), torch.get_rng_state()
    kept = x.clone()
    moved = train_utils.nudge(model, x, y, 0.5)
    assert torch.equal(state_of(model), before) and torch.equal(random, torch.get_rng_state())
    assert torch.equal(x, kept) and model.training and not moved.requires_grad
    assert all(p.grad is None for p in model.parameters())
    torch.testing.assert_close(train_utils.nudge(model, x[:1], y[:1], 0.5), moved[:1])


def test_nudges_grow_and_only_training_meets_them(monkeypatch):
    lengths = []

    def pretend(model, x, y, length, precision):
        assert model.training
        lengths.append(length)
        return x

    monkeypatch.setattr(train_utils, "nudge", pretend)
    batches = batchify_data(*small_data(20), 5)
    train_model(batches, batches, small_model(), n_epochs=5, nudged=3.0, quiet=True)
    # 20 steps; from step 6 = 0.3 * 20 on the nudges have their full length.
    expected = [3.0 * min(1, step / 6) for step in range(20)]
    assert lengths == pytest.approx(expected)


@pytest.mark.parametrize(("share", "moved"), [(1.0, 5), (0.5, 3), (0.1, 1)])
def test_a_share_of_every_batch_is_nudged_with_its_own_labels(monkeypatch, share, moved):
    batches, seen = batchify_data(*small_data(10), 5), []

    def pretend(model, x, y, length, precision):
        assert len(x) == y.shape[-1] == moved
        return x + y[..., None]

    def epoch(data, model, optimizer, *, harden=None, **_):
        if model.training:
            seen.extend(harden(batch["x"], batch["y"]) - batch["x"] for batch in data)
        return 1.0, 1.0

    monkeypatch.setattr(train_utils, "nudge", pretend)
    monkeypatch.setattr(train_utils, "run_epoch", epoch)
    train_model(batches, batches, small_model(), n_epochs=1, nudged=1.0, nudged_share=share,
                quiet=True)  # fmt: skip
    for steps, batch in zip(seen, batches, strict=True):
        expected = torch.where(torch.arange(5) < moved, batch["y"], 0)[:, None]
        torch.testing.assert_close(steps, expected.expand(5, 6).float())


def test_an_epoch_learns_from_the_nudged_pictures():
    x, y = small_data(6)
    model = small_model().train()
    twin = copy.deepcopy(model)
    for net, pictures, harden in ((model, x, lambda x, y: 1 - x), (twin, 1 - x, None)):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
        run_epoch(batchify_data(pictures, y, 3), net, optimizer, harden=harden)
    assert torch.equal(state_of(model), state_of(twin))
    evaluated = run_epoch(batchify_data(x, y, 3), model.eval(), None, harden=lambda x, y: 1 - x)
    assert evaluated == run_epoch(batchify_data(x, y, 3), model, None)


def test_smoothed_is_pytorchs_label_smoothing_averaged_over_the_heads():
    generator = torch.Generator().manual_seed(0)
    logits = [3 * torch.randn(5, 10, generator=generator) for _ in range(2)]
    y = torch.randint(10, (2, 5), generator=generator)
    plain = torch.stack([F.cross_entropy(z, t) for z, t in zip(logits, y, strict=True)])
    expected = [F.cross_entropy(z, t, label_smoothing=0.1) for z, t in zip(logits, y, strict=True)]
    found = train_utils.smoothed(plain, logits, 0.1)
    torch.testing.assert_close(found, (expected[0] + expected[1]) / 2)


def test_training_takes_the_smoothed_loss_and_reports_the_plain_one():
    (x, y), model, twin = small_data(), small_model(), small_model()
    batches = batchify_data(x, y, 20)
    plain = run_epoch(batches, model.eval(), None, smoothing=0.3)
    history = []
    train_model(batches, batches, model, lr=0.5, momentum=0, n_epochs=1, smoothing=0.3,
                history=history, quiet=True)  # fmt: skip
    assert history[0]["train_loss"] == pytest.approx(plain[0], rel=1e-6)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.5)
    F.cross_entropy(twin(x), y, label_smoothing=0.3).backward()
    optimizer.step()
    torch.testing.assert_close(state_of(model), state_of(twin))


# ------------------------------------------------------------------------------- random warps


def test_no_motion_leaves_the_picture_as_it_is():
    x = torch.rand(3, 1, 28, 28)
    same = train_utils.random_warp(x, rotation=0, scale=0, shear=0, shift=0)
    torch.testing.assert_close(same, x, rtol=0, atol=1e-5)


def test_each_motion_stays_within_its_bounds():
    """A blob in the middle is moved by at most `shift`; one off the middle by no more than turning
    and scaling allow; and every picture moves in its own way."""
    torch.manual_seed(0)
    x = torch.zeros(200, 1, 28, 28)
    x[:, :, 13:15, 13:15] = 1

    def centres(pictures):
        mass, place = pictures.sum((1, 2, 3)), torch.arange(28.0) - 13.5
        rows = (pictures.sum((1, 3)) * place).sum(1) / mass
        return torch.stack([rows, (pictures.sum((1, 2)) * place).sum(1) / mass], 1)

    moved = centres(train_utils.random_warp(x, rotation=0, scale=0, shear=0, shift=2))
    assert 1.8 < moved.abs().max() <= 2.01 and moved.std() == pytest.approx(2 / 3**0.5, rel=0.1)
    x = x.roll(8, dims=3)  # 8 pixels right of the middle
    turned = centres(train_utils.random_warp(x, rotation=10, scale=0, shear=0, shift=0))
    limit = 8 * math.sin(math.radians(10))
    assert 0.9 * limit < turned[:, 0].abs().max() <= 1.03 * limit
    scaled = centres(train_utils.random_warp(x, rotation=0, scale=0.1, shear=0, shift=0))
    assert 8 / 1.1 - 0.05 <= scaled[:, 1].min() < 7.5
    assert 8 / 0.9 + 0.05 >= scaled[:, 1].max() > 8.6
    assert scaled[:, 0].abs().max() < 0.02
    x = x.transpose(2, 3)  # 8 pixels below the middle
    leant = centres(train_utils.random_warp(x, rotation=0, scale=0, shear=0.1, shift=0))
    assert 0.7 < leant[:, 1].abs().max() <= 0.82
