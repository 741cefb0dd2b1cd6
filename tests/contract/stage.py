"""A stage on which a script's main() performs: small data in place of MNIST, and a record.

The script gets its pictures from utils.get_MNIST_data or utils_multiMNIST.get_data and trains with
train_utils, as in the course. These are replaced before it is imported, so that a mistake in
a submission's train_utils.py costs points there and nowhere else, and a script of thirty epochs
takes a second. A script that trains in a loop of its own is watched through hooks of PyTorch.
"""

import builtins
import collections
import contextlib
import importlib
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.contract.models import explained
from tests.grading.judge import Mistake, blame, check, describe, remark, stopped

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.modules import module as hooks

TRAIN, TEST = (
    3000,
    400,
)  # room for batches of 256 in the tenth that is kept for dev, and in the test
LONG_ENOUGH = 5.0  # seconds that a training loop of the script's own may run
BLOCK = 7  # side of the squares a picture consists of: they survive small augmentations
OWN_OPTIONS = b"train_utils.recipe_parser("  # tells a script that has this project's command line
PASSES = 3  # batches per epoch that are trained on

record = []  # Seen, one per batch of pictures that any model was shown
pending = collections.deque(maxlen=4)  # (Seen, its outputs) that still wait for their labels
first_weights = {}  # {model: its weights when it was first seen in a loop of the script's own}
state = dict.fromkeys(["started", "in run_epoch", "performed", "error", "data", "squashed"])


class Seen(NamedTuple):
    model: torch.nn.Module
    training: bool
    x: torch.Tensor  # (N, ...)
    labels: list  # per head an (N,) tensor, or None where they were not seen


class LongEnough(BaseException):
    """Ends a training loop that has shown what it does."""


def make_data(shape, heads):
    """Pictures of random squares (N, 784) or (N, 1, 42, 28) in [0, 1] and random labels."""
    generator = np.random.Generator(np.random.PCG64(2024))
    sets = []
    for count in (TRAIN, TEST):
        squares = generator.random((count, shape[0] // BLOCK, shape[1] // BLOCK), dtype=np.float32)
        x = np.kron(squares, np.ones((1, BLOCK, BLOCK), np.float32))
        y = generator.integers(0, 10, (heads, count))
        sets += [x.reshape(count, -1) if heads == 1 else x[:, None], y[0] if heads == 1 else y]
    return sets


def fingerprint(x, shape):
    """(N, squares): the mean of each square, free of any shift and scale of the grey values."""
    x = torch.as_tensor(x, dtype=torch.float32).reshape(len(x), 1, *shape)
    squares = F.avg_pool2d(x, BLOCK).reshape(len(x), -1)
    squares = squares - squares.mean(1, keepdim=True)
    return squares / squares.norm(dim=1, keepdim=True).clamp_min(1e-9)


def prepare(file, heads, shape):
    """Puts the small data and the watched training in place of the real ones, before the import.

    file: the script; heads: 1 or 2 digits per picture; shape: (rows, columns) of a picture.
    """
    data = make_data(shape, heads)
    state["data"] = (data, heads, shape)
    state["own options"] = OWN_OPTIONS in file.read_bytes()
    watch()
    if state["own options"]:  # it is quick and knows --data-dir: nothing has to be replaced
        return
    utils, train_utils = module_for("utils"), module_for("train_utils")
    pairs = module_for("utils_multiMNIST") if heads == 2 else None
    utils.get_MNIST_data = lambda *_, **__: copies(data)
    if pairs:
        pairs.get_data = lambda *_, **__: copies(data)
    for function in (batchify_data, run_epoch, train_model, compute_accuracy):
        setattr(train_utils, function.__name__, function)
    train_utils.Flatten = torch.nn.Flatten


@contextlib.contextmanager
def left_as_it_was(*modules):
    """Undoes what the modules beside a script do to other modules and to PyTorch."""
    before = [dict(vars(module)) for module in modules]
    try:
        yield
    finally:
        for module, content in zip(modules, before, strict=True):
            vars(module).update(content)
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)


def write_idx(folder):
    """Writes the data of one digit as MNIST's four files."""
    for half, x, y in zip(
        ("train", "t10k"), *(make_data((28, 28), 1)[i::2] for i in (0, 1)), strict=True
    ):
        for kind, array in (("images-idx3", (x * 255).reshape(-1, 28, 28)), ("labels-idx1", y)):
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            content = header + array.round().astype(np.uint8).tobytes()
            (folder / f"{half}-{kind}-ubyte").write_bytes(content)


def copies(data):
    return tuple(part.copy() for part in data)


def module_for(name):
    """The submission's own module of this name if it has a sound one, else the project's."""
    try:
        with left_as_it_was(builtins, np, torch, F):
            return importlib.import_module(name)
    except BaseException as error:
        spare = sys.modules.get("the project's " + name)
        check(spare is not None, f"{name}.py cannot be imported: {describe(error)}")
        remark(
            f"its {name}.py cannot be imported, so the project's own was used: {describe(error)}"
        )
        sys.modules[name] = spare
        return spare


def batchify_data(x_data, y_data, batch_size, **_):
    """The course's batches; labels of two digits are a pair of sequences."""
    x = torch.as_tensor(np.asarray(x_data), dtype=torch.float32)
    y = torch.as_tensor(np.asarray(y_data), dtype=torch.int64)
    ends = range(batch_size, len(x) + 1, batch_size)
    return [{"x": x[end - batch_size : end], "y": y[..., end - batch_size : end]} for end in ends]


def compute_accuracy(predictions, y):
    return float((torch.as_tensor(predictions) == torch.as_tensor(y)).float().mean())


def run_epoch(data, model, optimizer=None, *_, **__):
    """Trains on a few batches of `data`, or evaluates on them; records all of them."""
    losses, accuracies = [], []
    check(
        optimizer is not None or not model.training,
        "run_epoch gets a model in training mode and no optimizer: model.eval() is missing where "
        "a set is only read",
    )
    for batch in data:
        labels = (
            list(batch["y"]) if len(batch["y"]) == 2 and batch["x"].shape[0] != 2 else [batch["y"]]
        )
        record.append(Seen(model, model.training, batch["x"], labels))
    state["in run_epoch"] = True
    try:
        for batch in data[:PASSES]:
            step(batch, model, optimizer, losses, accuracies)
    finally:
        state["in run_epoch"] = False
    check(losses, "run_epoch gets no batch at all")
    loss, accuracy = np.mean(losses, 0), np.mean(accuracies, 0)
    return (loss[0], accuracy[0]) if len(loss) == 1 else (tuple(loss), tuple(accuracy))


def step(batch, model, optimizer, losses, accuracies):
    x, y = batch["x"], batch["y"]
    outs = model(x)
    pairs = (
        [(outs, y)]
        if isinstance(outs, torch.Tensor) and outs.dim() == 2
        else list(zip(outs, y, strict=True))
    )
    loss = sum(F.cross_entropy(out, labels) for out, labels in pairs) / len(pairs)
    losses.append([F.cross_entropy(out, labels).item() for out, labels in pairs])
    accuracies.append([compute_accuracy(out.argmax(1), labels) for out, labels in pairs])
    if model.training:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train_model(train_data, dev_data, model, lr=0.01, momentum=0.9, nesterov=False, *_, **__):
    """One short epoch, evaluated on dev."""
    with blame("train_model's optimizer"):
        optimizer = torch.optim.SGD(
            model.parameters(), lr=lr, momentum=momentum, nesterov=bool(nesterov and momentum)
        )
    run_epoch(train_data, model.train(), optimizer)
    return run_epoch(dev_data, model.eval(), optimizer)[1]


def watch():
    """Records what any model of the script is shown in loops of its own, and with which labels."""
    depth = []

    def before(module, inputs):
        depth.append(module)
        if state["started"] and time.monotonic() - state["started"] > LONG_ENOUGH:
            raise LongEnough

    def after(module, inputs, outputs):
        while depth and depth.pop() is not module:
            pass
        x = inputs[0] if inputs else None
        if depth or state["in run_epoch"] or not isinstance(x, torch.Tensor) or x.dim() < 2:
            return
        if any(True for _ in module.parameters()):
            outs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
            training = module.training and torch.is_grad_enabled()
            record.append(Seen(module, training, x.detach(), [None] * len(outs)))
            if training:
                weights = [parameter.detach().clone() for parameter in module.parameters()]
                first_weights.setdefault(module, weights)
            pending.append((record[-1], outs))

    right_loss = F.cross_entropy

    def cross_entropy(output, target, *arguments, **settings):
        known = False
        for seen, outs in pending:
            for head, out in enumerate(outs):
                if out is output:
                    seen.labels[head] = target
                    known = True
        operation = type(getattr(output, "grad_fn", None)).__name__
        seen_here = not state["in run_epoch"] and not known
        if seen_here and operation.startswith(("SoftmaxBackward", "SigmoidBackward")):
            state["squashed"] = operation.split("Backward")[0].lower()
        return right_loss(output, target, *arguments, **settings)

    hooks.register_module_forward_pre_hook(before)
    hooks.register_module_forward_hook(after, always_call=True)
    F.cross_entropy = cross_entropy


def perform(module):
    """Runs the script, once; returns what its models were shown, and the Mistake it ended with."""
    if not state["performed"]:
        state["performed"] = True
        state["started"] = time.monotonic()
        try:
            run_main(module)
        except LongEnough:
            remark("its training was watched for a few seconds only")
        except Mistake as mistake:
            state["error"] = mistake
        state["started"] = None
    return record, state["error"]


def run_main(module):
    """Calls main() as the command line would; a script without one has run when it was imported."""
    check(
        not stopped,
        f"the import of {module.__name__}.py stops with {stopped[0] if stopped else ''}",
    )
    main = getattr(module, "main", None)
    if main is None:
        check(record, f"{module.__name__}.py has no main() and trains nothing when it is imported")
        return
    with explained("main()"):
        if not state["own options"]:
            main()
            return
        folder = Path(tempfile.mkdtemp())
        write_idx(folder)
        options = {
            "--epochs": 1,
            "--limit": 1024,
            "--batch-size": 64,
            "--precision": "fp32",
            "--data-dir": folder,
            "--output-dir": folder / "run",
        }
        listed = [str(part) for option in options.items() for part in option]
        main([*listed, "--quiet", "--no-plots"])


def check_run(module):
    """main() trains a model and comes to an end without an error."""
    _, error = perform(module)
    if error is not None:
        raise error
    model, _ = trained_model(module)
    squashed = state["squashed"]
    check(
        not squashed, f"main() has a {squashed} before the cross-entropy, which has one of its own"
    )
    before = first_weights.get(model, [])
    still = [torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=False)]
    check(
        not still or not all(still),
        "main() trains nothing: no weight changes from the first batch to the end. Is there a "
        "loss.backward() and an optimizer.step(), with an optimizer of this model's parameters?",
    )


def trained_model(module):
    """(model, shape of a picture) that main() trains last. Raises Mistake when there is none."""
    seen, error = perform(module)
    for entry in reversed(seen):
        if entry.training:
            return entry.model, tuple(entry.x.shape[1:])
    raise error or Mistake("main() trains no model: no pictures go through one in training mode")


def places(entries, bank, shape):
    """Per picture its number in `bank` (0..TRAIN-1 training, then test), -1 where it is unknown."""
    if not entries:
        return torch.empty(0, dtype=torch.long)
    prints = torch.cat([fingerprint(entry.x, shape) for entry in entries])
    likeness, nearest = (prints @ bank.T).max(1)
    return torch.where(likeness > 0.98, nearest, -1)


def check_pictures(module):
    """No dev or test picture is trained on, and each picture comes with its own labels."""
    (train_x, train_y, test_x, test_y), heads, shape = state["data"]
    seen, error = perform(module)
    seen = [entry for entry in seen if entry.x[0].numel() == shape[0] * shape[1]]
    if not any(entry.training for entry in seen):
        raise error or Mistake(
            "main() trains no model: no pictures go through one in training mode"
        )
    bank = torch.cat([fingerprint(train_x, shape), fingerprint(test_x, shape)])
    labels = torch.as_tensor(
        np.concatenate([np.atleast_2d(train_y), np.atleast_2d(test_y)], axis=1)
    )
    trained = [entry for entry in seen if entry.training]
    evaluated = [entry for entry in seen if not entry.training]
    trained_on, looked_at = places(trained, bank, shape), places(evaluated, bank, shape)
    if (trained_on >= 0).float().mean() < 0.5:
        if not state["own options"]:  # which augments its pictures, and has tests of its split
            remark("its pictures are changed so much that the split could not be checked")
        return
    check_split(trained_on, looked_at)
    check_labels(trained, trained_on, labels, heads, "is trained on")
    for name, here in (("dev", looked_at < TRAIN), ("test", looked_at >= TRAIN)):
        numbers = torch.where(here, looked_at, -1)
        check_labels(evaluated, numbers, labels, heads, f"is compared on {name} with")


def check_split(trained_on, looked_at):
    test = int((trained_on >= TRAIN).sum())
    check(
        test == 0,
        f"the network is trained on pictures of the test set: {test} of the {len(trained_on)} "
        "pictures shown in training",
    )
    known = set(trained_on.tolist()) - {-1}
    dev = [place for place in looked_at.tolist() if 0 <= place < TRAIN]
    both = sum(place in known for place in dev)
    # A look at the training data in eval mode is no mistake as long as others are looked at as
    # well.
    check(
        not dev or both <= 0.95 * len(dev),
        f"the dev set is part of the training set: {both} of the {len(dev)} dev pictures were "
        "trained on. The last tenth of the training data is kept for dev",
    )


def check_labels(entries, numbers, labels, heads, verb):
    """The labels that go with the pictures are those of the data."""
    for head in range(heads):
        got, right, others, start = [], [], [], 0
        for entry in entries:
            here = numbers[start : start + len(entry.x)]
            start += len(entry.x)
            given = entry.labels[head] if head < len(entry.labels) else None
            if isinstance(given, torch.Tensor) and given.shape == here.shape:
                got.append(given[here >= 0])
                right.append(labels[head][here[here >= 0]])
                others.append(labels[heads - 1 - head][here[here >= 0]])
        if not got:
            continue
        got, right, others = torch.cat(got), torch.cat(right), torch.cat(others)
        wrong = int((got != right).sum())
        if wrong <= 0.1 * len(got):
            continue
        share = f"{wrong} of {len(got)} labels differ from those of the data"
        names = ("first", "second")
        check(
            heads == 1 or (got == others).float().mean() < 0.9,
            f"the {names[head]} head {verb} the {names[1 - head]} digit's labels: {share}",
        )
        owner = f" of the {names[head]} digit" if heads == 2 else ""
        raise Mistake(
            f"the labels{owner} do not belong to the pictures: they were shuffled or cut apart "
            f"({share})"
        )
