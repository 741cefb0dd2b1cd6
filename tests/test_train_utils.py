"""train_utils.py: the course's contract, exact averages, comparisons of settings, a look inside."""

import ast
import csv
import types

import train_utils
import utils
from tests.conftest import visible_files
from tests.test_comparisons import ERRORS
from train_utils import ShuffledBatches, batchify_data, run_epoch, train_model
from utils import UserError

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn


@pytest.mark.parametrize("name", ["train_utils", "nnet_fc", "nnet_cnn", "mlp", "conv"])
def test_utils_is_imported_before_torch(name):
    """utils says how PyTorch's threads wait for each other, which is read with torch alone."""
    lines = ast.parse((utils.ROOT / f"{name}.py").read_text("utf-8")).body
    names = [line.names[0].name for line in lines if isinstance(line, ast.Import)]
    first = next(one for one in names if one in ("utils", "train_utils", "torch"))
    assert first != "torch"


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


@pytest.mark.parametrize("pair", [tuple, torch.tensor])
def test_labels_of_two_digits_stay_a_pair(pair):
    labels = pair([list(range(7)), list(range(10, 17))])
    batches = batchify_data(np.zeros((7, 1, 42, 28)), labels, 3)
    assert batches[1]["x"].shape == (3, 1, 42, 28)
    assert batches[1]["y"].tolist() == [[3, 4, 5], [13, 14, 15]]


def test_images_and_labels_must_agree():
    with pytest.raises(ValueError, match="7 images, 6 labels"):
        batchify_data(np.zeros((7, 2)), np.zeros(6), 2)
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"batches of {size}"):
            batchify_data(np.zeros((7, 2)), np.zeros(7), size)


@pytest.mark.parametrize("count", [5, 10, 13])
@pytest.mark.parametrize("heads", [1, 2])
def test_shuffled_batches_are_full_and_hold_no_example_twice(count, heads):
    x = torch.arange(float(count))[:, None]
    y = torch.arange(count) if heads == 1 else torch.stack([torch.arange(count)] * 2)
    batches, seen = ShuffledBatches(x, y, 5), []
    torch.manual_seed(0)
    for _ in range(4):
        made = list(batches)
        assert len(made) == len(batches) == count // 5
        assert all(batch["x"].shape == (5, 1) for batch in made)
        assert all(
            torch.equal(batch["x"][:, 0].expand(heads, 5), batch["y"].view(heads, 5))
            for batch in made
        )
        seen.append([i for batch in made for i in batch["x"][:, 0].tolist()])
        assert len(set(seen[-1])) == count - count % 5
    assert len(set(map(tuple, seen))) == 4  # another order every time
    if count % 5:  # and another remainder
        assert len({frozenset(one) for one in seen}) > 1
    with pytest.raises(UserError, match=f"batch-size {count + 1}: there are only {count}"):
        ShuffledBatches(x, y, count + 1)


def test_only_the_batch_is_augmented_not_the_data():
    x = torch.ones(6, 2)
    batches = ShuffledBatches(x, torch.zeros(6), 3, augment=lambda b: b.mul_(2))
    assert all((batch["x"] == 2).all() for batch in batches) and (x == 1).all()


# ---------------------------------------------------------------------------------- one epoch


def test_an_evaluation_averages_over_examples_and_changes_nothing():
    """Batches of 3, 3 and 1; means of batches would weigh the last example three times."""
    torch.manual_seed(0)
    (x, y), model = (
        small_data(7),
        nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 3)),
    )
    model.eval()
    before, random = state_of(model), torch.get_rng_state()
    loss, accuracy = run_epoch(batchify_data(x, y, 3, drop_last=False), model, None)
    assert torch.equal(state_of(model), before) and torch.equal(random, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters()) and not model.training
    assert loss == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-6)
    assert accuracy == pytest.approx((model(x).argmax(1) == y).float().mean().item())


def test_no_batch_at_all_is_an_error_not_a_division_by_zero():
    with pytest.raises(UserError, match="lower --batch-size"):
        run_epoch([], small_model(), None)


# ----------------------------------------------------------------------------------- training


def test_two_heads_return_a_pair_and_each_epoch_is_told_in_a_line(capsys):
    x, y = small_data()
    batches = batchify_data(x, (y, 2 - y), 5)
    model = TwoHeads()
    accuracy = train_model(batches, batches, model, n_epochs=2)
    assert accuracy == run_epoch(batches, model, None)[1] and len(accuracy) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("   ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


def test_a_run_keeps_the_best_epoch():
    """A rate that ruins the weights in the second half: the chosen ones are of the first."""
    x = torch.randn(30, 6, generator=torch.Generator().manual_seed(0))
    batches, run = batchify_data(x, x[:, 0] > 0, 10), utils.Run(8, 0)
    model = small_model()
    accuracy = train_model(
        batches, batches, model, 0.5, n_epochs=8, run=run, schedule=lambda t: 1 if t < 0.5 else -20
    )
    assert accuracy == max(row["dev_accuracy"] for row in run.history)
    assert accuracy > run.history[-1]["dev_accuracy"]
    assert run_epoch(batches, model, None)[1] == accuracy


# ------------------------------------------------------------------------ devices and precision


def test_auto_takes_the_cpu_when_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert train_utils.choose_device("auto") == "cpu"
    with pytest.raises(UserError, match="--device cuda"):
        train_utils.choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert train_utils.choose_device("auto") == "cuda"


@pytest.mark.parametrize(
    ("device", "able", "expected"),
    [
        ("cpu", {}, "fp32"),
        ("cpu", {"avx512_bf16": True}, "bf16"),
        ("cpu", {"amx_bf16": True}, "bf16"),
        ("cuda", (7, 5), "fp32"),
        ("cuda", (8, 0), "bf16"),
        ("mps", None, "fp32"),
    ],
)
def test_auto_takes_bf16_where_the_processor_has_it(monkeypatch, device, able, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able or {})
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: able)
    assert train_utils.choose_precision("auto", device) == expected
    assert train_utils.choose_precision("fp32", device) == "fp32"


# ------------------------------------------------------------------------ comparisons of settings


def pretend(name, seed):
    record = utils.Run(1, seed)
    accuracy = 1 - ERRORS[name][seed] / 100
    record.history = [utils.history_row(1, (1.0, 0.5), (1.0, accuracy), 0.1, 1.0 + seed)]
    return nn.Linear(4, 2), record


def a_sweep(folder, names, train_one=pretend, no_plots=True):
    args = types.SimpleNamespace(seed=0, quiet=True, no_plots=no_plots, limit=300)
    return train_utils.sweep(args, utils.Run(1, 0, folder), names, 3, train_one, against_time=True)


def test_a_sweep_writes_the_comparison(tmp_path):
    rows = a_sweep(tmp_path, ["baseline", "better", "noisy"], no_plots=False)
    assert visible_files(tmp_path) == {"sweep.csv", "sweep.png"}
    written = list(csv.DictReader((tmp_path / "sweep.csv").open()))
    assert [{key: str(value) for key, value in row.items()} for row in rows] == written
    assert [row["verdict"] for row in written] == ["", "not told apart", "not told apart"]
    assert written[1]["seconds"] == "2.0" and written[1]["weights"] == "10.0"
    assert (written[1]["epochs"], written[1]["limit"]) == ("1", "300")
    a_sweep(tmp_path, ["baseline", "better"])  # the picture of another table goes
    assert visible_files(tmp_path) == {"sweep.csv"}


def test_a_network_that_fails_costs_a_line_and_not_the_sweep(tmp_path, capsys):
    def train_one(name, seed):
        if name == "broken" or (name, seed) == ("noisy", 1):
            raise UserError("the loss is no longer a number")
        return pretend(name, seed)

    (tmp_path / "filters.png").write_bytes(b"of the last run")
    rows = a_sweep(tmp_path, ["baseline", "broken", "noisy", "better"], train_one)
    assert [(row["setting"], row["seeds"]) for row in rows] == [
        ("baseline", 3),
        ("noisy", 2),
        ("better", 3),
    ]
    assert "noisy, seed 1: the loss is no longer a number" in capsys.readouterr().err
    a_sweep(tmp_path, ["broken", "better", "noisy"], train_one)
    assert "broken failed: compared with better instead" in capsys.readouterr().err
    assert visible_files(tmp_path) == {"sweep.csv", "filters.png"}
    with pytest.raises(UserError, match="nothing to compare"):
        a_sweep(tmp_path, ["broken"], train_one)


def test_ctrl_c_keeps_the_settings_that_are_finished(tmp_path):
    def stopped_in(place):
        def train_one(name, seed):
            if (name, seed) == place:
                raise KeyboardInterrupt
            return pretend(name, seed)

        return train_one

    with pytest.raises(KeyboardInterrupt, match="what was finished: baseline, better"):
        a_sweep(tmp_path, ["baseline", "better", "noisy"], stopped_in(("noisy", 1)))
    written = list(csv.DictReader((tmp_path / "sweep.csv").open()))
    assert [(row["setting"], row["seeds"]) for row in written] == [
        ("baseline", "3"),
        ("better", "3"),
    ]
    kept = (tmp_path / "sweep.csv").read_bytes()
    with pytest.raises(KeyboardInterrupt, match="before there was anything to compare"):
        a_sweep(tmp_path, ["baseline", "better"], stopped_in(("better", 2)))
    assert (tmp_path / "sweep.csv").read_bytes() == kept


# -------------------------------------------------------------------- a look inside the network


class OfOnesOwn(nn.Module):
    """A network as people write them: layers as attributes, one activation used twice."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 20, 3, stride=3)
        self.act, self.out = nn.ReLU(), nn.Linear(20 * 8 * 8, 10)

    def forward(self, x):
        x = self.act(self.conv2(self.act(self.conv1(x))))
        return self.out(x.flatten(1))


def with_activation(kind):
    layers = [nn.Conv2d(1, 4, 3), kind(), nn.Conv2d(4, 20, 3, stride=3), kind(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(20 * 8 * 8, 10))


NETWORKS = {
    "LeakyReLU": (lambda: with_activation(nn.LeakyReLU), 0),
    "ReLU6": (lambda: with_activation(nn.ReLU6), 1 / 24),
    "ReLU": (lambda: with_activation(nn.ReLU), 1 / 24),
    "a class of one's own": (OfOnesOwn, 1 / 24),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_any_network_is_looked_into(name, tmp_path, monkeypatch, capsys):
    """One channel has a bias that ReLU cuts off: 1 of 4 + 20 is dead, and with others none."""
    build, dead = NETWORKS[name]
    torch.manual_seed(0)
    model, seen = build(), []
    with torch.no_grad():
        for layer in (one for one in model.modules() if isinstance(one, nn.Conv2d)):
            nn.init.constant_(layer.bias, 1)
        next(model.children()).bias[0] = -5
    monkeypatch.setattr(train_utils, "draw_layers", lambda path, *given: seen.append(given))
    x = torch.rand(3, 1, 28, 28)
    assert train_utils.dead_units(model, x) == pytest.approx(dead)
    run = utils.Run(1, 0, tmp_path)
    train_utils.draw_inside(run, model, x)
    assert run.pictures == ["filters.png", "activations.png"] and capsys.readouterr().err == ""
    image, maps, chances = seen[0]
    assert np.array_equal(image, x[0, 0].numpy()) and chances.shape == (1, 10)
    assert [one.shape for one in maps] == [(4, 26, 26), (20, 8, 8)]
    assert not any(module._forward_hooks for module in model.modules())


def test_what_an_activation_gives_is_kept_before_it_is_changed_in_place():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x):
            out = self.act(x)
            out += 100
            return out

    (out,) = train_utils.behind_activations(Residual(), torch.ones(1, 1, 2, 2))
    assert out.max() == 1


def test_a_fully_connected_network_shows_its_weights(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(utils, "draw_weights", lambda path, *given: seen.append(given))
    model, run = nn.Sequential(nn.Flatten(), nn.Linear(42 * 28, 5)), utils.Run(1, 0, tmp_path)
    train_utils.draw_inside(run, model, torch.zeros(1, 1, 42, 28))
    assert run.pictures == ["weights.png"] and seen[0][1].shape == (1, 42, 28)
    assert np.array_equal(seen[0][0], model[1].weight.detach().numpy())
    assert train_utils.dead_units(model, torch.zeros(2, 1, 42, 28)) == 0


def test_a_network_without_anything_to_show_shows_nothing(tmp_path):
    run = utils.Run(1, 0, tmp_path)
    model = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(14 * 14, 10))
    train_utils.draw_inside(run, model, torch.zeros(1, 1, 28, 28))
    assert run.pictures == [] and visible_files(tmp_path) == set()
