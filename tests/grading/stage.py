"""A stage on which a script performs: made-up data in place of MNIST, and a record of what it does.

The script gets its pictures from utils.get_MNIST_data or utils_multiMNIST.get_data and trains with
train_utils, as in the course. These are replaced before it is imported, so that a mistake in
a submission's train_utils.py costs points there and nowhere else. The data have MNIST's sizes, for
scripts with these sizes in them; nothing trains to the end. A script that trains in a loop of its
own is watched through hooks of PyTorch.
"""

import builtins
import contextlib
import importlib
import inspect
import runpy
import struct
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.grading import codes

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

optimizers = importlib.import_module("torch.optim.optimizer")  # torch.optim hides the name

LONG_ENOUGH = 3.0  # seconds that a training loop of the script's own may run
OWN_OPTIONS = b"train_utils.recipe_parser("  # tells a script that has this project's command line
PASSES = 3  # batches per epoch that are trained on
SHORT = 12  # batches per epoch that a training loop of the script's own gets
MOST_SNAPSHOTS = 30
MOST_EVENTS = 200

remarks = []
events = []  # dicts, in order; see note
known = []  # models, by their number in the events
state = {"started": None, "inside": False, "heads": 1, "own training": False, "zeroed": True}
state |= {"squashed": "", "no zero_grad": 0, "own options": False, "performed": None, "cut": False}
state["own since"] = None  # when the first loop of the script's own began
firsts = {}  # number of a model: its weights before its first training
moved = {}  # number of a model: did its weights change by a training?
snapshots = []  # weights after some training
numbers_read = {}  # id of a batch's x: (x, numbers, turn)
waiting = []  # (event, batch's place in it, outputs) that still wait for their labels


class LongEnough(BaseException):
    """Ends a training loop that has shown what it does."""


class WithoutGpu(TorchFunctionMode):
    """A .cuda() does nothing: a script written for a GPU runs without one."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function is torch.Tensor.cuda:
            return args[0]
        if function is torch.Tensor.to:
            args = tuple("cpu" if is_gpu(argument) else argument for argument in args)
        if is_gpu(kwargs.get("device")):
            kwargs["device"] = "cpu"
        return function(*args, **kwargs)


def is_gpu(value):
    return isinstance(value, (str, torch.device)) and str(value).startswith("cuda")


def as_without_gpu():
    return contextlib.nullcontext() if torch.cuda.is_available() else WithoutGpu()


class Batches(list):
    """Batches, few for a training loop of the script's own and all for everything else."""

    def __iter__(self):
        state["own training"] = False
        for count, batch in enumerate(super().__iter__(), 1):
            yield batch
            if count >= SHORT and state["own training"]:
                return


def load_data(heads):
    """Made before the fork, so that each child has it at no cost."""
    codes.data(heads)


def prepare(file, heads):
    """Puts made-up data and watched training in place of the real ones, before the import."""
    state["heads"], state["own options"] = heads, OWN_OPTIONS in file.read_bytes()
    watch()
    if state["own options"]:  # it is quick and knows --data-dir: nothing has to be replaced
        return
    utils, train_utils = module_for("utils"), module_for("train_utils")
    pairs = module_for("utils_multiMNIST") if heads == 2 else None
    utils.get_MNIST_data = lambda *_, **__: tuple(part.copy() for part in codes.data(heads))
    if pairs:
        pairs.get_data = utils.get_MNIST_data
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


def module_for(name):
    """The submission's own module of this name if it has a sound one, else the project's."""
    try:
        with left_as_it_was(builtins, np, torch, F):
            return importlib.import_module(name)
    except BaseException as error:
        spare = sys.modules.get("the project's " + name)
        if spare is None:
            raise
        remarks.append(
            f"its {name}.py cannot be imported, so the project's own was used: {describe(error)}"
        )
        sys.modules[name] = spare
        return spare


def batchify_data(x_data, y_data, batch_size, **_):
    """The course's batches; labels of two digits are a pair of sequences."""
    x = torch.as_tensor(np.asarray(x_data), dtype=torch.float32)
    y = torch.as_tensor(np.asarray(y_data), dtype=torch.int64)
    ends = range(batch_size, len(x) + 1, batch_size)
    return Batches(
        {"x": x[end - batch_size : end], "y": y[..., end - batch_size : end]} for end in ends
    )


def compute_accuracy(predictions, y):
    return float((torch.as_tensor(predictions) == torch.as_tensor(y)).float().mean())


def run_epoch(data, model, optimizer=None, *_, by="run_epoch", **__):
    """Trains on a few batches of `data`, or evaluates on them; records all of them."""
    data = list.__iter__(data) if isinstance(data, list) else data
    data = list(data)
    training = model.training and optimizer is not None
    event = note(by, model, training)
    event["unguarded"] = model.training and optimizer is None
    for batch in data:
        rows = [batch["y"]] if torch.as_tensor(batch["y"]).dim() == 1 else list(batch["y"])
        add(event, batch["x"], rows)
    if not data:
        return (0.0, 0.0) if state["heads"] == 1 else ((0.0, 0.0), (0.0, 0.0))
    losses, accuracies = [], []
    state["inside"] = True
    try:
        for batch in data[:PASSES]:
            step(batch, model, optimizer if training else None, losses, accuracies)
    finally:
        state["inside"] = False
    if training:
        keep(model)
    loss, accuracy = np.mean(losses, 0), np.mean(accuracies, 0)
    return (loss[0], accuracy[0]) if len(loss) == 1 else (tuple(loss), tuple(accuracy))


def step(batch, model, optimizer, losses, accuracies):
    x, y = batch["x"], batch["y"]
    outs = model(x)
    single = isinstance(outs, torch.Tensor) and outs.dim() == 2
    pairs = [(outs, y)] if single else list(zip(outs, y, strict=True))
    loss = sum(F.cross_entropy(out, labels) for out, labels in pairs) / len(pairs)
    losses.append([F.cross_entropy(out, labels).item() for out, labels in pairs])
    accuracies.append([compute_accuracy(out.argmax(1), labels) for out, labels in pairs])
    if optimizer:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train_model(
    train_data, dev_data, model, lr=0.01, momentum=0.9, nesterov=False, n_epochs=30, *_, **__
):
    """One short epoch, evaluated on dev."""
    event = note("train_model", model, False)
    event |= {"lr": float(lr), "n_epochs": int(n_epochs)}
    optimizer = torch.optim.SGD(
        model.parameters(), lr=lr, momentum=momentum, nesterov=bool(nesterov and momentum)
    )
    run_epoch(train_data, model.train(), optimizer)
    return run_epoch(dev_data, model.eval(), optimizer, by="dev")[1]


# -------------------------------------------------------------------------------- the record


def note(by, model, training):
    """A new event: by run_epoch, train_model, dev or own; which model; training or not."""
    end_own_training()
    if not any(model is other for other in known):
        known.append(model)
    number = next(k for k, other in enumerate(known) if other is model)
    weights = vector(model)
    if training:
        firsts.setdefault(number, weights)
    event = {"by": by, "model": number, "training": training, "shown": [], "labels": []}
    event |= {"start": number in firsts and torch.equal(firsts[number], weights)}
    event |= {
        "trained": number in firsts or any(layer in known_trained() for layer in model.modules())
    }
    event |= {"distance": distance(weights), "turns": {}, "grey": [], "raw": [], "shape": []}
    event |= {"unguarded": False, "stepped": False}
    events.append(event)
    if len(events) > MOST_EVENTS:  # how it begins and how it ends tell most
        del events[MOST_EVENTS // 2]
    return event


def end_own_training():
    """Notes the weights that a training loop of the script's own has ended with, if one has."""
    if events and events[-1]["by"] == "own" and events[-1]["training"]:
        keep(known[events[-1]["model"]])


def known_trained():
    return [known[number] for number in firsts]


def vector(model):
    parts = [parameter.detach().flatten() for parameter in model.parameters() if is_made(parameter)]
    return torch.cat(parts).clone() if parts else torch.zeros(0)


def is_made(parameter):
    return not isinstance(parameter, torch.nn.parameter.UninitializedParameter)


def keep(model):
    """Notes the weights after some training of a model, and whether they have moved by it."""
    snapshots.append(vector(model))
    number = next(k for k, other in enumerate(known) if other is model)
    first = firsts.get(number, snapshots[-1])
    same = first.shape == snapshots[-1].shape and torch.equal(first, snapshots[-1])
    moved[number] = moved.get(number, False) or not same
    del snapshots[:-MOST_SNAPSHOTS]


def distance(weights):
    """Relative distance to the nearest weights that some training has ended with; -1 for none."""
    near = [
        float((weights - other).norm() / other.norm().clamp_min(1e-9))
        for other in snapshots
        if other.shape == weights.shape
    ]
    return min(near, default=-1.0)


def add(event, x, labels):
    """Notes a batch of pictures (N, ...) and, per head, its labels (N,) or None."""
    rows, columns = codes.SHAPES[state["heads"]]
    with torch._C.DisableTorchFunction():  # WithoutGpu takes its time
        add_batch(event, torch.as_tensor(x), labels, rows, columns)


def add_batch(event, x, labels, rows, columns):
    shape = list(x.shape[1:])
    if len(x) and x[0].numel() == (rows + 4) * (columns + 4):  # with LeNet's rim of two pixels
        x = x.reshape(-1, rows + 4, columns + 4)[:, 2:-2, 2:-2]
    if len(x) == 0 or x[0].numel() != rows * columns:
        return
    if id(x) not in numbers_read:
        numbers_read[id(x)] = x, *codes.read(x.detach().float().numpy(), (rows, columns))
    _, numbers, turn = numbers_read[id(x)]
    event["shown"].append(numbers)
    event["labels"].append(list(labels))
    event["turns"][turn] = event["turns"].get(turn, 0) + 1
    event["shape"] = shape
    if len(event["grey"]) < 50:
        event["grey"].append([float(x.float().mean()), float(x.float().std())])
    if turn == "unreadable" and len(event["raw"]) < 4:
        event["raw"].append(x[0].detach().float().flatten().numpy())


def watch():
    """Records what any model of the script is shown in loops of its own, and with which labels."""
    depth = []

    def before(module, inputs):
        depth.append(module)
        if not state["started"] or state["inside"] or len(depth) > 1:
            return
        state["own since"] = state["own since"] or time.monotonic()
        if time.monotonic() - state["own since"] > LONG_ENOUGH:
            raise LongEnough
        x = inputs[0] if inputs else None
        if isinstance(x, torch.Tensor) and x.dim() >= 2:
            shown(module, x)

    def after(module, inputs, outputs):
        while depth and depth.pop() is not module:
            pass
        if not depth and not state["inside"] and events and events[-1]["by"] == "own":
            outs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
            waiting.append((events[-1], len(events[-1]["labels"]) - 1, outs))
            del waiting[:-4]

    right_loss = F.cross_entropy

    def cross_entropy(output, target, *arguments, **settings):
        known_output = False
        for event, place, outs in waiting:
            for head, out in enumerate(outs):
                if out is output and 0 <= place < len(event["labels"]):
                    row = event["labels"][place]
                    row.extend([None] * (head + 1 - len(row)))
                    row[head] = target
                    known_output = True
        operation = type(getattr(output, "grad_fn", None)).__name__
        squashed = operation.startswith(("SoftmaxBackward", "SigmoidBackward"))
        if squashed and events and not (state["inside"] or known_output):
            state["squashed"] = operation.split("Backward")[0].lower()
        return right_loss(output, target, *arguments, **settings)

    hooks.register_module_forward_pre_hook(before)
    hooks.register_module_forward_hook(after, always_call=True)
    optimizers.register_optimizer_step_pre_hook(stepping)
    optimizers.register_optimizer_step_post_hook(stepped)
    F.cross_entropy = cross_entropy
    for owner in (torch.optim.Optimizer, torch.nn.Module):
        owner.zero_grad = zeroing(owner.zero_grad)


def shown(module, x):
    """A model of the script's own loop is shown pictures: a new event, or more of the last one."""
    if not any(True for _ in module.parameters()):
        return
    training = module.training and torch.is_grad_enabled()
    state["own training"] = torch.is_grad_enabled() and (training or state["own training"])
    last = events[-1] if events else None
    same = last and last["by"] == "own" and known[last["model"]] is module
    if not (same and last["mode"] == (module.training, torch.is_grad_enabled())):
        last = note("own", module, training)
        last["mode"] = (module.training, torch.is_grad_enabled())
    add(last, x, [None] * state["heads"])


def stepping(optimizer, *_):
    if state["inside"] or not state["started"]:
        return
    first = optimizer.param_groups[0]["params"][0]
    grad = first.grad
    old = optimizer.__dict__.get("grad of the last step")
    if old is not None and grad is old and not state["zeroed"]:
        state["no zero_grad"] += 1
    optimizer.__dict__["grad of the last step"] = grad
    state["zeroed"] = False


def stepped(optimizer, *_):
    if state["inside"] or not state["started"] or not events or events[-1]["by"] != "own":
        return
    event = events[-1]
    own = {id(parameter) for parameter in known[event["model"]].parameters()}
    if any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
        event["stepped"] = event["training"] = state["own training"] = True
        firsts.setdefault(event["model"], torch.zeros(0))


def zeroing(original):
    def zero_grad(self, *arguments, **settings):
        state["zeroed"] = True
        return original(self, *arguments, **settings)

    return zero_grad


# ------------------------------------------------------------------------------- the performance


def trained_model():
    """The model that main() trains last. Raises LookupError when there is none."""
    for event in reversed(events):
        if event["training"]:
            return known[event["model"]]
    raise LookupError("main() trains no model")


def perform(module):
    """Runs the script once; {"events", "error", "kind", ...}, as plain numbers and texts."""
    if state["performed"] is None:
        error = None
        state["started"] = time.monotonic()
        try:
            with as_without_gpu():
                run(module)
        except LongEnough:
            state["cut"] = True
        except (Exception, SystemExit) as problem:
            error = problem
        end_own_training()
        state["started"] = None
        modes = [any(isinstance(layer, FICKLE) for layer in model.modules()) for model in known]
        state["performed"] = {
            "error": describe(error) if error is not None else "",
            "has_main": state["has main"],
            "events": [plain_event(event) for event in events],
            "moved": moved,
            "fickle": modes,
            "cut": state["cut"],
            "own_options": state["own options"],
            "squashed": state["squashed"],
            "no_zero_grad": state["no zero_grad"],
            "remarks": remarks,
        }
    return state["performed"]


FICKLE = (torch.nn.modules.dropout._DropoutNd, torch.nn.modules.batchnorm._BatchNorm)


def plain_event(event):
    """An event with its batches put together: rows (N,), and labels (N,) or None for each head."""
    rows = np.concatenate(event["shown"]) if event["shown"] else np.zeros(0)
    heads = max((len(labels) for labels in event["labels"]), default=0)
    columns = []
    for head in range(heads):
        column = []
        for numbers, labels in zip(event["shown"], event["labels"], strict=True):
            given = labels[head] if head < len(labels) else None
            given = None if given is None else torch.as_tensor(given).detach().cpu()
            fits = given is not None and given.shape == (len(numbers),) and not given.is_complex()
            column.append(given.numpy() if fits else np.full(len(numbers), -1))
        columns.append(np.concatenate(column).astype(np.int32) if column else np.zeros(0, np.int32))
    return event | {"shown": rows.astype(np.int32), "labels": columns, "mode": event.get("mode")}


def run(module):
    """Calls main(); a script without one is run as the command line does."""
    main = getattr(module, "main", None)
    if getattr(main, "__module__", "") == "utils":  # ours has one, and the course imports *
        main = None
    state["has main"] = callable(main)
    if state["own options"]:
        folder = Path(tempfile.mkdtemp())
        write_idx(folder)
        options = {"--epochs": 1, "--limit": 1024, "--batch-size": 64, "--precision": "fp32"}
        options |= {"--data-dir": folder, "--output-dir": folder / "run"}
        listed = [str(part) for option in options.items() for part in option]
        main([*listed, "--quiet", "--no-plots"])
    elif callable(main) and can_be_called(main):
        main()
    elif not events:
        runpy.run_path(module.__file__, run_name="__main__")


def can_be_called(function):
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    except ValueError:
        pass
    return True


def write_idx(folder):
    """Writes few data of one digit as MNIST's four files."""
    train_x, train_y, test_x, test_y = codes.data(1, small=True)
    for half, x, y in (("train", train_x, train_y), ("t10k", test_x, test_y)):
        for kind, array in (("images-idx3", (x * 255).reshape(-1, 28, 28)), ("labels-idx1", y)):
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            content = header + array.round().astype(np.uint8).tobytes()
            (folder / f"{half}-{kind}-ubyte").write_bytes(content)


def describe(error):
    """One line for an exception: kind, text and the line of the learner's file it came from."""
    try:
        text = str(error)[:1200]
    except BaseException:  # a hostile __str__ may even exit
        text = "(no readable text)"
    if isinstance(error, SystemExit):
        text = "the program calls exit() here"
    words = [type(error).__name__ + ":", *text.split()] if text else [type(error).__name__]
    line = " ".join(words)[:300].encode("utf-8", "replace").decode()
    try:
        frames = traceback.extract_tb(error.__traceback__)
    except Exception:
        frames = []
    own = [frame for frame in frames if "/submission/" in frame.filename.replace("\\", "/")]
    if own:
        file = own[-1].filename.replace("\\", "/").rpartition("/submission/")[2]
        line += f" ({file}, line {own[-1].lineno})"
    return line
