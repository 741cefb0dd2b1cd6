"""train_utils.py: the course's contract, exact averages, averaged weights, what stops a run."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import train_utils
from train_utils import ShuffledBatches, batchify_data, run_epoch, train_model
from utils import UserError


def small_data(count=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 6, generator=generator)
    return x, torch.randint(3, (count,), generator=generator)


def small_model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.upper, self.lower = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x):
        return self.upper(x), self.lower(x)


def state_of(model):
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


# ------------------------------------------------------------------------- batches and flatten


def test_flatten_keeps_the_first_dimension():
    x = torch.arange(24).reshape(2, 3, 2, 2)
    assert train_utils.Flatten()(x).tolist() == [list(range(12)), list(range(12, 24))]


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, list])
def test_batches_are_cut_in_order_without_the_short_last(kind):
    x, y = np.arange(14.0).reshape(7, 2), np.arange(7)
    batches = batchify_data(kind(x), kind(y), 3)
    assert [batch["x"].tolist() for batch in batches] == [x[:3].tolist(), x[3:6].tolist()]
    assert [batch["y"].tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5]]
    assert batches[0]["x"].dtype == torch.float32 and batches[0]["y"].dtype == torch.int64


def test_the_short_last_batch_is_kept_on_demand():
    x, y = np.zeros((7, 2)), np.arange(7)
    assert [len(b["x"]) for b in batchify_data(x, y, 3, drop_last=False)] == [3, 3, 1]
    assert [len(b["x"]) for b in batchify_data(x[:6], y[:6], 3, drop_last=False)] == [3, 3]
    assert batchify_data(x, y, 8) == []
    assert batchify_data(x, y, 8, drop_last=False)[0]["y"].tolist() == list(range(7))


@pytest.mark.parametrize("pair", [list, tuple, np.array, lambda y: torch.tensor(np.array(y))])
def test_labels_of_two_digits_stay_a_pair(pair):
    labels = pair([list(range(7)), list(range(10, 17))])
    batches = batchify_data(np.zeros((7, 1, 42, 28)), labels, 3)
    assert batches[1]["x"].shape == (3, 1, 42, 28)
    assert batches[1]["y"].tolist() == [[3, 4, 5], [13, 14, 15]]


def test_pictures_and_labels_must_agree():
    with pytest.raises(ValueError, match="7 pictures, 6 labels"):
        batchify_data(np.zeros((7, 2)), np.zeros(6), 2)
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"batches of {size}"):
            batchify_data(np.zeros((7, 2)), np.zeros(7), size)


def test_shuffled_batches_hold_every_example_once_in_a_new_order():
    x, y = torch.arange(10.0)[:, None], torch.arange(10)
    batches = ShuffledBatches(x, torch.stack([y, y + 100]), 5)
    torch.manual_seed(0)
    first, second = ([b["y"][0].tolist() for b in batches] for _ in range(2))
    assert len(batches) == 2 and first != second
    assert sorted(sum(first, [])) == list(range(10)) == sorted(sum(second, []))
    for batch in batches:
        assert torch.equal(batch["x"][:, 0].long(), batch["y"][0])
        assert torch.equal(batch["y"][0] + 100, batch["y"][1])
    with pytest.raises(UserError, match="batch-size 11"):
        ShuffledBatches(x, y, 11)


def test_shuffled_batches_drop_another_remainder_every_time():
    batches = ShuffledBatches(torch.arange(10.0)[:, None], torch.arange(10), 4)
    torch.manual_seed(0)
    seen = [sorted(i for b in batches for i in b["y"].tolist()) for _ in range(5)]
    assert all(len(s) == 8 for s in seen) and len(set(map(tuple, seen))) > 1


@pytest.mark.parametrize("count", range(5, 24))
def test_all_shuffled_batches_are_full(count):
    x, y = torch.arange(float(count))[:, None], torch.arange(count)
    for compose, shape in ((None, (5,)), (torch.add, (2, 5))):
        batches = ShuffledBatches(x, y, 5, compose=compose)
        made = list(batches)
        assert len(made) == len(batches) == count // 5
        for batch in made:
            assert batch["x"].shape == (5, 1) and batch["y"].shape == shape
            assert torch.equal(batch["x"][:, 0], batch["y"].reshape(-1, 5).sum(0).float())
        firsts = torch.cat([batch["y"].reshape(-1, 5)[0] for batch in made])
        assert len(firsts.unique()) == len(firsts)


def test_only_the_batch_is_augmented_not_the_data():
    x = torch.ones(6, 2)
    batches = ShuffledBatches(x, torch.zeros(6), 3, augment=lambda b: b * 2)
    assert all((batch["x"] == 2).all() for batch in batches) and (x == 1).all()


def test_bytes_become_floats_before_they_are_augmented():
    x = torch.tensor([[0], [51], [255]], dtype=torch.uint8)
    seen = []
    for augment in (None, lambda b: seen.append(b.sort(dim=0)[0]) or b / 2):
        (batch,) = ShuffledBatches(x, torch.zeros(3), 3, augment=augment)
        seen.append(batch["x"].sort(dim=0)[0])
    expected = torch.tensor([[0.0], [0.2], [1.0]])
    for found, right in zip(seen, (expected, expected, expected / 2), strict=True):
        torch.testing.assert_close(found, right, rtol=0, atol=1e-7)


def test_accuracy_is_the_share_of_equals():
    read, truth = torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 0, 4])
    assert train_utils.compute_accuracy(read, truth) == 0.75
    assert train_utils.compute_accuracy(np.array([1, 1]), np.array([0, 0])) == 0.0


# ---------------------------------------------------------------------------------- one epoch


def test_an_evaluation_averages_over_examples_not_batches():
    x, y = small_data(7)
    model = small_model().eval()
    loss, accuracy = run_epoch(batchify_data(x, y, 3, drop_last=False), model, None)
    assert loss == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-6)
    assert accuracy == pytest.approx((model(x).argmax(1) == y).float().mean().item())


def test_an_evaluation_changes_nothing_and_takes_no_gradients():
    x, y = small_data()
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 3))
    model.eval()
    before, random = state_of(model), torch.get_rng_state()
    run_epoch(batchify_data(x, y, 5), model, None)
    assert torch.equal(state_of(model), before) and torch.equal(random, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters()) and not model.training


def test_one_training_epoch_is_sgd_written_out():
    x, y = small_data(6)
    model = small_model().train()
    twin = copy.deepcopy(model)
    losses = []
    for part in (slice(0, 3), slice(3, 6)):
        twin.zero_grad()
        loss = F.cross_entropy(twin(x[part]), y[part])
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            for p in twin.parameters():
                p -= 0.1 * p.grad
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss, _ = run_epoch(batchify_data(x, y, 3), model, optimizer)
    torch.testing.assert_close(state_of(model), state_of(twin), rtol=1e-6, atol=1e-7)
    assert loss == pytest.approx(np.mean(losses), rel=1e-6)


def test_two_heads_train_on_the_mean_of_their_losses():
    x, upper = small_data(6)
    lower = (upper + 1) % 3
    model = TwoHeads().train()
    twin = copy.deepcopy(model)
    a, b = twin(x)
    ((F.cross_entropy(a, upper) + F.cross_entropy(b, lower)) / 2).backward()
    with torch.no_grad():
        for p in twin.parameters():
            p -= 0.5 * p.grad
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    losses, accuracies = run_epoch(batchify_data(x, (upper, lower), 6), model, optimizer)
    torch.testing.assert_close(state_of(model), state_of(twin), rtol=1e-6, atol=1e-7)
    expected = (F.cross_entropy(a, upper).item(), F.cross_entropy(b, lower).item())
    assert losses == pytest.approx(expected, rel=1e-6)
    assert accuracies == pytest.approx(
        [(z.argmax(1) == t).float().mean().item() for z, t in ((a, upper), (b, lower))]
    )


def test_no_batch_at_all_is_an_error_not_a_division_by_zero():
    with pytest.raises(UserError, match="lower --batch-size"):
        run_epoch([], small_model(), None)


# ----------------------------------------------------------------------------------- training


def test_train_model_is_the_courses_momentum_sgd():
    x, y = small_data(20)
    batches, model = batchify_data(x, y, 5), small_model()
    twin = copy.deepcopy(model)
    velocity = [torch.zeros_like(p) for p in twin.parameters()]
    for _ in range(3):
        for batch in batches:
            gradients = torch.autograd.grad(F.cross_entropy(twin(batch["x"]), batch["y"]),
                                            list(twin.parameters()))  # fmt: skip
            with torch.no_grad():
                for p, v, g in zip(twin.parameters(), velocity, gradients, strict=True):
                    v.mul_(0.9).add_(g)
                    p -= 0.05 * (g + 0.9 * v)
    dev = batchify_data(*small_data(9, seed=1), 4, drop_last=False)
    accuracy = train_model(batches, dev, model, 0.05, 0.9, True, 3)
    torch.testing.assert_close(state_of(model), state_of(twin), rtol=1e-5, atol=1e-6)
    assert accuracy == run_epoch(dev, twin.eval(), None)[1] and not model.training


def test_train_model_says_what_happens_unless_quiet(capsys):
    batches = batchify_data(*small_data(), 5)
    train_model(batches, batches, small_model(), n_epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("   ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    train_model(batches, batches, small_model(), n_epochs=2, quiet=True)
    assert capsys.readouterr() == ("", "")


def test_two_heads_return_a_pair():
    x, y = small_data()
    batches = batchify_data(x, (y, y), 5)
    accuracy = train_model(batches, batches, TwoHeads(), n_epochs=1, quiet=True)
    assert len(accuracy) == 2 and all(0 <= a <= 1 for a in accuracy)


def test_the_best_epoch_is_kept(tmp_path):
    """A rate that ruins the weights in the second half: the chosen ones are of the first."""
    x, y = torch.randn(30, 6), torch.zeros(30, dtype=torch.long)
    y[x[:, 0] > 0] = 1
    batches, history = batchify_data(x, y, 10), []
    model = small_model()
    accuracy = train_model(batches, batches, model, lr=0.5, n_epochs=8, keep_best=True, quiet=True,
                           schedule=lambda t: 1 if t < 0.5 else -20, history=history,
                           checkpoint=tmp_path / "a.pt")  # fmt: skip
    assert accuracy == max(row["dev_accuracy"] for row in history) > history[-1]["dev_accuracy"]
    assert run_epoch(batches, model, None)[1] == accuracy
    again = small_model(seed=1)
    train_model(batches, batches, again, lr=0.5, n_epochs=8, keep_best=True, quiet=True,
                checkpoint=tmp_path / "a.pt", resume=True)  # fmt: skip
    assert torch.equal(state_of(again), state_of(model))


def test_one_cycle_rises_and_falls():
    rates = [train_utils.one_cycle(t) for t in (0, 0.15, 0.3, 0.65, 1)]
    assert rates == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_the_schedule_reaches_the_optimizer_step_by_step():
    """Two epochs of two steps see the rate at the middle of each quarter of the run."""
    model = nn.Linear(1, 2, bias=False)
    batches = batchify_data(torch.zeros(4, 1), torch.zeros(4), 2)
    seen, history = [], []
    train_model(batches, batches, model, lr=8.0, n_epochs=2, quiet=True, history=history,
                schedule=lambda t: seen.append(t) or t)  # fmt: skip
    assert list(dict.fromkeys(seen)) == [0.125, 0.375, 0.625, 0.875]
    assert [row["lr"] for row in history] == [8 * 0.625, 8 * 0.875]


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_is_pytorchs(momentum, nesterov):
    nets = [small_model(), small_model()]
    idle = [nn.Parameter(torch.ones(2)) for _ in nets]  # no loss depends on it
    rates = [0.5, 0.1, 0.0, 0.3, 0.2]
    ours = train_utils.SGD([*nets[0].parameters(), idle[0]], rates.__getitem__, momentum, nesterov)
    other = torch.optim.SGD([*nets[1].parameters(), idle[1]], 1.0, momentum, nesterov=nesterov)
    for step, rate in enumerate(rates):
        other.param_groups[0]["lr"] = rate
        x, y = small_data(4, seed=step)
        for net, optimizer in zip(nets, (ours, other), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
        if step == 2:  # as --resume does
            saved = copy.deepcopy(ours.state_dict())
            parameters = [*nets[0].parameters(), idle[0]]
            ours = train_utils.SGD(parameters, rates.__getitem__, momentum, nesterov)
            ours.load_state_dict(saved)
        torch.testing.assert_close(state_of(nets[0]), state_of(nets[1]))
    assert idle[0].tolist() == [1, 1]


def test_averaged_weights_follow_the_formula():
    model, averaged = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    for step, value in enumerate([1.0, 2.0, 4.0], 1):
        with torch.no_grad():
            model.weight.fill_(value)
            model.running_mean.fill_(10 * value)
        train_utils.update_average(averaged, model, step, 0.2)
    # decay min(0.2, (1 + step) / (10 + step)): 2/11, 0.2, 0.2, from weight 1 and mean 0.
    weight, mean = 1.0, 0.0
    for decay, value in ((2 / 11, 1.0), (0.2, 2.0), (0.2, 4.0)):
        weight, mean = decay * weight + (1 - decay) * value, decay * mean + (1 - decay) * 10 * value
    assert averaged.weight.item() == pytest.approx(weight)
    assert averaged.running_mean.item() == pytest.approx(mean)


def test_a_loss_that_is_no_number_stops_at_once(tmp_path):
    x, y = small_data()
    batches = batchify_data(x, y, 5)
    path = tmp_path / "checkpoint.pt"
    train_model(batches, batches, small_model(), n_epochs=1, checkpoint=path, quiet=True)
    before = path.read_bytes()
    batches[1]["x"][0, 0] = math.nan
    with pytest.raises(UserError, match="lower --lr"):
        train_model(batches, batches, small_model(), checkpoint=path, quiet=True)
    assert path.read_bytes() == before
    seen = []
    with pytest.raises(UserError, match="lower --lr"):
        run_epoch((seen.append(1) or batch for batch in batches), small_model().eval(), None)
    assert len(seen) == 2  # of 4 batches


def test_losses_that_only_their_sum_makes_infinite_stop_the_run():
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0], [2e38]]))
    with pytest.raises(UserError, match="lower --lr"):
        run_epoch(batchify_data(torch.ones(5, 1), torch.zeros(5), 1), model.eval(), None)


# ------------------------------------------------------------------------ devices and precision


def test_auto_takes_the_cpu_when_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert train_utils.choose_device("auto") == "cpu"
    with pytest.raises(UserError, match="--device cuda"):
        train_utils.choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert train_utils.choose_device("auto") == "cuda"


@pytest.mark.parametrize(("able", "expected"), [({}, "fp32"), ({"avx512_bf16": True}, "bf16"),
                                                ({"amx_bf16": True}, "bf16")])  # fmt: skip
def test_auto_takes_bf16_where_the_processor_has_it(monkeypatch, able, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert train_utils.choose_precision("auto", "cpu") == expected
    assert train_utils.choose_precision("fp32", "cpu") == "fp32"


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp32"), ((8, 0), "bf16"),
                                                      ((9, 0), "bf16")])  # fmt: skip
def test_auto_takes_bf16_on_graphics_cards_that_have_it(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert train_utils.choose_precision("auto", "cuda") == expected
    assert train_utils.choose_precision("auto", "mps") == "fp32"


def test_bf16_computes_with_eight_bits_of_mantissa():
    model = nn.Linear(1, 3, bias=False)
    nn.init.constant_(model.weight, 1.001)  # bf16 knows 1 and 1.0078125
    batch = [{"x": torch.tensor([[8.0]]), "y": torch.tensor([0])}]
    seen = []
    model.register_forward_hook(lambda module, x, out: seen.append(out[0, 0].item()))
    for precision in ("fp32", "bf16"):
        run_epoch(batch, model.eval(), None, precision=precision)
    assert seen == [pytest.approx(8.008), 8.0]
