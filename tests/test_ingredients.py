"""train_utils.py: what can be added to the loop, one ingredient at a time."""

import copy
import math

import conv
import nnet_fc
import train_utils
import utils
import utils_multiMNIST
from tests.test_train_utils import TwoHeads, small_data, small_model, state_of
from train_utils import batchify_data, run_epoch, train_model

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

# ------------------------------------------------------------------------ adversarial examples


@pytest.mark.parametrize("heads", [1, 2])
def test_an_adversarial_step_goes_where_the_loss_grows_fastest(heads):
    """Against finite differences in float64: every image moves along its own loss's gradient, by
    the length that was asked for."""
    x, y = small_data(4)
    model = (small_model() if heads == 1 else TwoHeads()).double()
    x, y = x.double().view(4, 2, 3), y if heads == 1 else torch.stack([y, (y + 1) % 3])
    model = nn.Sequential(train_utils.Flatten(), model)

    def loss(images, i):
        outs = model(images[i : i + 1])
        pairs = zip(outs, y[:, i], strict=True) if heads == 2 else [(outs, y[i])]
        return sum(F.cross_entropy(out, label[None]).item() for out, label in pairs)

    gradient = torch.zeros_like(x)
    for index in np.ndindex(*x.shape):
        for step in (1e-6, -1e-6):
            moved = x.clone()
            moved[index] += step
            gradient[index] += loss(moved, index[0]) / (2 * step)
    found = train_utils.adversarial_examples(model, x, y, 0.3) - x
    lengths = gradient.flatten(1).norm(dim=1).view(4, 1, 1)
    # Our logits are float32, so a gradient has some seven digits.
    torch.testing.assert_close(found, 0.3 * gradient / lengths, rtol=1e-4, atol=1e-6)


def test_an_adversarial_step_leaves_the_network_as_it_was():
    """It looks through the averages of batch normalisation and without dropout; one image does
    not depend on the others; nothing is learned and no random number drawn."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3)
    ).train()
    (x, y), before, random = small_data(8), state_of(model), torch.get_rng_state()
    kept = x.clone()
    moved = train_utils.adversarial_examples(model, x, y, 0.5)
    assert torch.equal(state_of(model), before) and torch.equal(random, torch.get_rng_state())
    assert torch.equal(x, kept) and not moved.requires_grad
    assert all(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())
    alone = train_utils.adversarial_examples(model, x[:1], y[:1], 0.5)
    torch.testing.assert_close(alone, moved[:1])


def train_on_stand_ins(monkeypatch, batches, **how):
    """Train with stand-ins for adversarial examples, moved by their label; returns their lengths
    and the images that the network met while it learned."""
    lengths, met = [], []

    def stand_in(model, x, y, length, precision):
        lengths.append(length)
        return x + y.reshape(-1, y.shape[-1])[0][:, None]

    model = small_model()
    model.register_forward_pre_hook(lambda module, x: met.append(x[0]) if module.training else None)
    monkeypatch.setattr(train_utils, "adversarial_examples", stand_in)
    train_model(batches, batches, model, run=utils.Run(how["n_epochs"]), **how)
    return lengths, met


def test_adversarial_steps_grow_over_the_first_30_percent(monkeypatch):
    batches = batchify_data(*small_data(20), 5)
    lengths, _ = train_on_stand_ins(monkeypatch, batches, n_epochs=5, adversarial=3.0)
    # 20 steps, none of which is of the evaluation; from step 6 = 0.3 * 20 on they are full.
    assert lengths == pytest.approx([3.0 * min(1, step / 6) for step in range(20)])


@pytest.mark.parametrize(("share", "count"), [(1.0, 5), (0.5, 3), (0.1, 1)])
def test_a_share_of_every_batch_is_adversarial_with_its_own_labels(monkeypatch, share, count):
    batches = batchify_data(*small_data(10), 5)
    how = {"n_epochs": 1, "adversarial": 1.0, "adversarial_share": share}
    _, met = train_on_stand_ins(monkeypatch, batches, **how)
    for x, batch in zip(met, batches, strict=True):
        expected = torch.where(torch.arange(5) < count, batch["y"], 0)[:, None]
        torch.testing.assert_close(x - batch["x"], expected.expand(5, 6).float())


# ---------------------------------------------------------------- smoothed labels, the schedule


def test_training_takes_the_smoothed_loss_and_reports_the_plain_one():
    """With two heads: each is PyTorch's own label smoothing, and their mean is minimised."""
    x, y = small_data()
    batches, model, run = batchify_data(x, (y, 2 - y), 20), TwoHeads(), utils.Run(1)
    twin = copy.deepcopy(model)
    plain, _ = run_epoch(batches, model.eval(), None, label_smoothing=0.3)
    train_model(batches, batches, model, 0.5, 0, n_epochs=1, label_smoothing=0.3, run=run)
    assert utils.row_values(run.history[0], "train_loss") == pytest.approx(plain, rel=1e-6)
    losses = [
        F.cross_entropy(z, t, label_smoothing=0.3) for z, t in zip(twin(x), (y, 2 - y), strict=True)
    ]
    (sum(losses) / 2).backward()
    torch.optim.SGD(twin.parameters(), lr=0.5).step()
    torch.testing.assert_close(state_of(model), state_of(twin))
    assert plain[0] == pytest.approx(F.cross_entropy(TwoHeads()(x)[0], y).item(), rel=1e-6)


def test_one_cycle_rises_and_falls():
    rates = [train_utils.one_cycle(t) for t in (0, 0.15, 0.3, 0.65, 1)]
    assert rates == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_the_schedule_reaches_the_optimizer_step_by_step(monkeypatch):
    """Two epochs of two steps see the rate at the middle of each quarter of the run; the history
    has the last rate that an epoch used."""
    used, plain = [], torch.optim.SGD.step
    monkeypatch.setattr(
        torch.optim.SGD,
        "step",
        lambda self, *given: used.append(self.param_groups[0]["lr"]) or plain(self, *given),
    )
    batches, run = batchify_data(torch.zeros(4, 1), torch.zeros(4), 2), utils.Run(2)
    train_model(
        batches, batches, nn.Linear(1, 2), 8.0, 0, n_epochs=2, schedule=lambda t: t, run=run
    )
    assert used == pytest.approx([8 * 0.125, 8 * 0.375, 8 * 0.625, 8 * 0.875])
    assert [row["lr"] for row in run.history] == pytest.approx([used[1], used[3]])
    run = utils.Run(2)
    train_model(batches, batches, nn.Linear(1, 2), 0.5, n_epochs=2, run=run)
    assert [row["lr"] for row in run.history] == used[4:6] == [0.5, 0.5]


# ---------------------------------------------------------------------------- averaged weights


def test_averaged_weights_follow_the_formula():
    """By hand: the first average is the network itself; then decay is (1 + n) / (10 + n), 2/11
    after one step, as long as that is below 0.2. Buffers are averaged, too; counts taken over."""
    model = nn.BatchNorm1d(1)
    average = train_utils.moving_average(model, 0.2)
    for value in (1.0, 2.0, 4.0):
        with torch.no_grad():
            model.weight.fill_(value)
            model.running_mean.fill_(10 * value)
            model.num_batches_tracked += 1
        average.update_parameters(model)
    second = 2 / 11 * 1 + 9 / 11 * 2
    third = 0.2 * second + 0.8 * 4  # (1 + 2) / (10 + 2) would be 0.25
    assert average.module.weight.item() == pytest.approx(third)
    assert average.module.running_mean.item() == pytest.approx(10 * third)
    assert average.module.num_batches_tracked.item() == 3
    assert model.weight.item() == 4


def test_the_average_is_what_is_judged_and_kept():
    """A long average of steps that lead nowhere: dev reads with it, and the model becomes it."""
    torch.manual_seed(0)
    x, y = small_data(20)
    batches, model, run = batchify_data(x, y, 5), small_model(), utils.Run(4)
    other, twin = copy.deepcopy(model), train_utils.moving_average(model, 0.9)
    optimizer = torch.optim.SGD(other.parameters(), 0.3, momentum=0.9)
    accuracies = []
    for _ in range(4):
        run_epoch(batches, other.train(), optimizer, average=twin)
        accuracies.append(run_epoch(batches, twin.module.eval(), None))
    train_model(batches, batches, model, 0.3, n_epochs=4, averaging=0.9, run=run)
    found = [(row["dev_loss"], row["dev_accuracy"]) for row in run.history]
    assert np.array(found) == pytest.approx(np.array(accuracies), rel=1e-5)
    assert run_epoch(batches, model.eval(), None)[1] == max(accuracy for _, accuracy in accuracies)
    assert state_of(model).sub(state_of(other)).abs().max() > 0.01


# --------------------------------------------------------------------------- data augmentation


def centres(images):
    """Where the ink of images (N, 1, H, W) lies: (N, 2), pixels down and right of the middle."""
    mass = images.sum((1, 2, 3))
    down, right = (torch.arange(float(n)) - (n - 1) / 2 for n in images.shape[2:])
    rows = (images.sum((1, 3)) * down).sum(1) / mass
    return torch.stack([rows, (images.sum((1, 2)) * right).sum(1) / mass], 1)


def moved(down, right, **how):
    """The centres of 200 blobs that were moved at random, on images of 42 x 28 pixels."""
    torch.manual_seed(0)
    x = torch.zeros(200, 1, 42, 28)
    x[:, :, 20 + down : 22 + down, 13 + right : 15 + right] = 1
    none = {"rotation": 0, "scale": 0, "shear": 0, "shift": 0}
    return centres(train_utils.random_affine(x, **none | how))


def test_no_motion_leaves_the_image_as_it_is():
    x = torch.rand(3, 1, 42, 28)
    same = train_utils.random_affine(x, rotation=0, scale=0, shear=0, shift=0)
    torch.testing.assert_close(same, x, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("down", "right"), [(0, 9), (9, 0)])
def test_a_turn_is_a_turn_on_tall_images_too(down, right):
    """It keeps distances from the middle and angles between places; shear would change both. The
    largest angle is the one that was asked for."""
    found, radius = moved(down, right, rotation=30), math.hypot(down, right)
    assert found.norm(dim=1).tolist() == pytest.approx([radius] * 200, abs=0.1)
    angles = torch.atan2(found[:, 0], found[:, 1]) - math.atan2(down, right)
    angles = torch.rad2deg(torch.atan2(angles.sin(), angles.cos()))
    assert 28 < angles.max() < 30.5 and -28 > angles.min() > -30.5
    across = moved(right, -down, rotation=30)  # the place a quarter of a turn away
    products = (found * across).sum(1)  # of the same random numbers: perpendicular they stay
    assert products.abs().max() < 0.1 * radius**2 / 9 * 2


def test_each_motion_stays_within_its_bounds():
    """Every image moves in its own way, as far as it may and no farther."""
    found = moved(0, 0, shift=2)
    assert 1.8 < found.abs().max() <= 2.01
    assert found.std(0).tolist() == pytest.approx([2 / 3**0.5] * 2, rel=0.1)
    found = moved(0, 8, scale=0.1)
    assert 7.2 < found[:, 1].min() < 7.5 and 8.6 < found[:, 1].max() < 8.95  # 8 / 1.1, 8 / 0.9
    assert found[:, 0].abs().max() < 0.02
    found = moved(8, 0, shear=0.1)
    assert 0.7 < found[:, 1].abs().max() <= 0.82 and (found[:, 0] - 8).abs().max() < 0.1


# ------------------------------------------------------------------------------------ precision


@pytest.mark.parametrize("lesson", ["nnet_fc", "conv"])
def test_bf16_learns_what_fp32_learns(lesson, mnist):
    """Forward and gradients of our own layers are close, the weights stay float32, and products
    do have only the eight bits that bf16 has."""
    torch.manual_seed(0)
    model = (nnet_fc.build_model([64, 32]) if lesson == "nnet_fc" else conv.CNN()).train()
    x, y = (torch.from_numpy(part[:64].astype(np.float32)) for part in mnist[0])
    x, y = x[:, None] / 255, y.long()[None]
    if lesson == "conv":
        x, y = utils_multiMNIST.compose(*x.chunk(2)), y.view(2, -1)
    results = {}
    for precision in ("fp32", "bf16"):
        net = copy.deepcopy(model)
        logits = train_utils.logits_of(net, x, precision)
        train_utils.losses_of(logits, y).mean().backward()
        assert logits.dtype == torch.float32
        assert all(p.grad.dtype == p.dtype == torch.float32 for p in net.parameters())
        gradient = torch.cat([p.grad.flatten() for p in net.parameters()])
        results[precision] = logits.detach().flatten(), gradient
    for exact, close, most in zip(*results.values(), (0.03, 0.2), strict=True):
        assert 1e-4 < (exact - close).norm() / exact.norm() < most
