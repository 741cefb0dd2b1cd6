"""What a submission's process can be asked to do: call the learner's code, hand over numbers.

Each public function is a play: it gets the learner's module and plain inputs, and returns plain
numbers, texts and arrays. Whether they are right is not known here.
"""

import contextlib
import io

from tests.grading import stage
from tests.grading.readers import reader, weights
from tests.grading.stage import as_without_gpu

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

MOST_NUMBERS = 10**6


class Failed(Exception):
    """(what was done, the exception it ended with)"""


@contextlib.contextmanager
def doing(what):
    """Whatever a learner's code raises in the block becomes Failed(what, error)."""
    try:
        yield
    except Failed:
        raise
    except (Exception, SystemExit) as error:
        raise Failed(what, error) from error


def handed(value):
    """{"numbers": all in order, "size": shape, "type": name}; no numbers of other things."""
    answer = {"type": type(value).__name__, "size": size(value)}
    flat, waiting = [], [plain(value)]
    while waiting:
        item = waiting.pop()
        if isinstance(item, (list, tuple)):
            waiting.extend(plain(part) for part in reversed(item))
        elif isinstance(item, (int, float, np.number)) and len(flat) < MOST_NUMBERS:
            flat.append(float(item))
        else:
            return {"size": answer["size"], "type": type(item).__name__}
    return answer | {"numbers": flat}


def plain(value):
    """An array or tensor as nested lists, anything else as it is."""
    known = isinstance(value, (int, float, list, tuple, np.number))
    return value.tolist() if hasattr(value, "tolist") and not known else value


def size(value):
    """The shape of an array, a tensor or nested lists."""
    if hasattr(value, "shape"):
        return [int(side) for side in value.shape]
    if isinstance(value, (list, tuple)):
        return [len(value), *(size(value[0]) if value else [])]
    return []


def get(owner, name, owner_name):
    """The attribute `name`; Failed("missing ...") where there is none."""
    if not hasattr(owner, name):
        raise Failed("missing", AttributeError(f"{owner_name} has no {name}"))
    return getattr(owner, name)


# ---------------------------------------------------------------------------- neural_nets.py

PARAMETERS = {
    "W1": ("input_to_hidden_weights", (3, 2)),
    "b": ("biases", (3, 1)),
    "W2": ("hidden_to_output_weights", (1, 3)),
}


def function(module, name, xs):
    """What a function of one number answers to each of `xs`."""
    answers = []
    for x in xs:
        with doing(f"{name}({x})"):
            answers.append(handed(get(module, name, "neural_nets.py")(x)))
    return answers


def network(module, actions):
    """Does to networks what `actions` say, in order; the answers of those that have one.

    An action is [number of a network, name of a function below, inputs...].
    """
    networks, answers = {}, []
    with contextlib.redirect_stdout(io.StringIO()):
        for place, name, *inputs in actions:
            if place not in networks:
                networks[place] = new_network(module)
            answers.append(ACTIONS[name](networks[place], *inputs))
    return answers


def new_network(module):
    factory = get(module, "NeuralNetwork", "neural_nets.py")
    with doing("NeuralNetwork()"):
        return factory()


def set_parameters(network, **values):
    """Sets parameters in the learner's kind and shape of array.

    Another shape than the exercise's costs its points at the start; transposed weights still count.
    """
    for group, numbers in values.items():
        name, shape = PARAMETERS[group]
        old = get(network, name, "NeuralNetwork()")
        new = np.array(numbers, dtype=float).reshape(shape)
        if size(old) == [2, 3]:
            new = new.T.copy()
        elif np.size(old) == new.size:
            new = new.reshape(size(old))
        if isinstance(old, np.matrix):
            new = np.matrix(new)
        setattr(network, name, new.tolist() if isinstance(old, list) else new)


def read_parameters(network):
    """{group: handed}, hidden weights unit by unit also where they are transposed."""
    found = {}
    for group, (name, _) in PARAMETERS.items():
        value = get(network, name, "NeuralNetwork()")
        found[group] = handed(value)
        if found[group]["size"] == [2, 3] and "numbers" in found[group]:
            flat = found[group]["numbers"]
            found[group]["numbers"] = [flat[i] for i in (0, 3, 1, 4, 2, 5)]
    return found


def call(network, name, *inputs):
    method = get(network, name, "NeuralNetwork()")
    with doing(f"{name}({', '.join(map(str, inputs))})"):
        return handed(method(*inputs))


def watched_training(network, epochs):
    """train_neural_network of a network whose train notes its points, and the parameters around."""
    seen = []

    def train(x1, x2, y):
        before = read_parameters(network)
        network.real_train(x1, x2, y)
        seen.append([[float(x1), float(x2), float(y)], before, read_parameters(network)])

    with_methods(network, train=train)
    network.epochs_to_train = epochs
    with doing("train_neural_network()"):
        network.train_neural_network()
    return seen


def report(network, error):
    """What test_neural_network prints when every prediction is off by `error`."""
    output = io.StringIO()
    with_methods(network, predict=lambda x1, x2: 7.0 * float(x1) + error)
    with contextlib.redirect_stdout(output), doing("test_neural_network()"):
        try:
            network.test_neural_network()
        except AssertionError:  # a learner's own way to say "failed"
            output.write("AssertionError")
    return output.getvalue()[:10000]


def with_methods(network, **methods):
    """Replaces methods of one network, also where it has __slots__."""
    kind = type(network)
    own = {name: staticmethod(method) for name, method in methods.items()}
    own |= {"real_" + name: getattr(kind, name) for name in methods}
    network.__class__ = type(kind.__name__, (kind,), {"__slots__": (), **own})


ACTIONS = {
    "set": lambda network, values: set_parameters(network, **values),
    "read": read_parameters,
    "rate": lambda network, rate: setattr(network, "learning_rate", rate),
    "get": lambda network, name: handed(get(network, name, "NeuralNetwork()")),
    "call": call,
    "watched_training": watched_training,
    "report": report,
}

# ---------------------------------------------------------------------------- train_utils.py

FILE = "train_utils.py"


def flatten(module, shapes):
    answers = []
    with doing("Flatten()"):
        layer = get(module, "Flatten", FILE)()
    for shape in shapes:
        x = torch.arange(float(np.prod(shape))).reshape(shape)
        with doing(f"Flatten() of a {' x '.join(map(str, shape))} tensor"):
            answers.append(handed(nn.Sequential(layer)(x)))
    return answers


def batches(module, x, y, batch_size, as_lists):
    """batchify_data's batches: {"x": handed, "x_type": dtype or None, "y": [rows], ...} each."""
    heads = 1 if y.ndim == 1 else 2
    y = y if heads == 1 else list(y)
    if as_lists:
        x, y = list(x), y.tolist() if heads == 1 else [row.tolist() for row in y]
    kind = ("one digit", "two digits")[heads - 1]
    with doing(f"batchify_data ({kind}{', lists in place of arrays' if as_lists else ''})"):
        found = []
        for batch in list(get(module, "batchify_data", FILE)(x, y, batch_size)):
            if not ("x" in batch and "y" in batch):
                return None
            rows = [batch["y"]] if heads == 1 else list(batch["y"])
            found.append(
                {
                    "x": handed(batch["x"]) | {"dtype": kind_of_tensor(batch["x"])},
                    "y": [handed(row) | {"dtype": kind_of_tensor(row)} for row in rows],
                    "y_size": size(batch["y"]),
                }
            )
    return found


def kind_of_tensor(value):
    return str(value.dtype) if isinstance(value, torch.Tensor) else ""


def accuracy(module, predictions, y):
    with doing("compute_accuracy"):
        function = get(module, "compute_accuracy", FILE)
        return handed(function(torch.as_tensor(predictions), torch.as_tensor(y)))


def tensors(data):
    return [{"x": torch.as_tensor(b["x"]), "y": torch.as_tensor(b["y"])} for b in data]


def with_dropout(model):
    """Half of what it reads is dropped in training, so that its mode shows in the diary."""
    plain = model.forward
    model.forward = lambda x: plain(F.dropout(x, 0.5, model.training))
    return model


def epoch(module, heads, data, training, rate, momentum=0.5, optimizer=True, dropout=False):
    """run_epoch on a tiny model: its answer, the weights after it, the mode of each call."""
    model = reader(heads).train(training)
    if dropout:
        with_dropout(model)
    sgd = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum) if optimizer else None
    mode = "training" if training else f"eval mode with optimizer {'given' if sgd else 'None'}"
    with doing(f"run_epoch in {mode}"):
        answer = get(module, "run_epoch", FILE)(tensors(data), model, sgd)
        return {
            "answer": handed(answer),
            "pair": isinstance(answer, (tuple, list)) and len(answer) == 2,
            "weights": weights(model),
            "modes": [mode for mode, *_ in model.diary],
        }


def training(module, heads, data, dev, settings, lend):
    """train_model on a tiny model; with `lend`, it is lent a run_epoch that is right."""
    model = reader(heads)
    data, dev = tensors(data), tensors(dev)
    listed = ", ".join(f"{name}={value}" for name, value in settings.items())
    function = get(module, "train_model", FILE)
    own = getattr(module, "run_epoch", None)
    if lend:
        module.run_epoch = right_epoch
    try:
        with doing(f"train_model(train_data, dev_data, model, {listed})"):
            answer = function(data, dev, model, **settings)
    finally:
        module.run_epoch = own
    inputs = [*(batch["x"] for batch in data), *(batch["x"] for batch in dev)]
    return {
        "answer": handed(answer),
        "weights": weights(model),
        "diary": [
            [mode, next((k for k, known in enumerate(inputs) if torch.equal(x, known)), -1), found]
            for mode, x, found in model.diary
        ],
    }


def right_epoch(data, model, optimizer, *_, **__):
    """A plain run_epoch, for a train_model whose own is wrong."""
    sums = []
    with torch.set_grad_enabled(model.training):
        for batch in data:
            out, y = model(batch["x"]), batch["y"]
            pairs = [(out, y)] if model.heads == 1 else list(zip(out, y, strict=True))
            losses = [F.cross_entropy(o, labels) for o, labels in pairs]
            if model.training:
                optimizer.zero_grad()
                (sum(losses) / len(losses)).backward()
                optimizer.step()
            shares = [(o.argmax(1) == labels).float().mean().item() for o, labels in pairs]
            sums.append([[loss.item() for loss in losses], shares])
    loss, accuracy = np.mean(sums, 0).tolist()
    return (loss[0], accuracy[0]) if model.heads == 1 else (tuple(loss), tuple(accuracy))


# --------------------------------------------------------------------------------- the models

models = {}


def model_of(module, name):
    """MLP(1176) or CNN(1176), made once; without a name the one that main() trains last."""
    if name not in models:
        if name:
            factory = get(module, name, f"{module.__name__}.py")
            with doing(f"{name}(1176)"), as_without_gpu():
                models[name] = factory(42 * 28)
                if not all(map(stage.is_made, models[name].parameters())):
                    models[name](torch.zeros(2, 1, 42, 28))  # lazy layers are made by a first look
        else:
            stage.perform(module)
            models[name] = stage.trained_model()
    return models[name]


def shared(module, name):
    """Names of the parameters that a second model shares with the first."""
    first = model_of(module, name)
    models.pop(name)
    second, models[name] = model_of(module, name), first
    own = {id(parameter) for parameter in first.parameters()}
    return [key for key, parameter in second.named_parameters() if id(parameter) in own]


def outputs(model, x):
    with as_without_gpu():
        return model(x)


def answers(module, name, pictures, training=False, scale=1.0):
    """What the model answers to arrays of pictures, one after the other.

    scale: of its weights. Returns {"answers": per array an array or a list of them, "changed": was
    the array changed?, "modes": is the mode of each layer as before?}.
    """
    model = model_of(module, name)
    model.train(training)
    found = {"answers": [], "changed": [], "modes": []}
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
        try:
            for array in pictures:
                x = torch.tensor(array)
                modes = [layer.training for layer in model.modules()]
                torch.manual_seed(len(found["answers"]))
                with doing(f"forward on pictures {' x '.join(map(str, size(x)))}"):
                    out = outputs(model, x)
                found["answers"].append(handed_heads(out))
                found["changed"].append(not np.array_equal(x.numpy(), array))
                found["modes"].append(modes == [layer.training for layer in model.modules()])
                model.train(training)
        finally:
            for parameter, old in zip(model.parameters(), before, strict=True):
                parameter.copy_(old)
    return found


def handed_heads(out):
    """A list of what each head gives: an array, or the name of what is no tensor."""
    if isinstance(out, (tuple, list)):
        return [o.detach() if isinstance(o, torch.Tensor) else type(o).__name__ for o in out]
    return out.detach() if isinstance(out, torch.Tensor) else type(out).__name__


def heads_of(out):
    return list(out) if isinstance(out, (tuple, list)) or out.dim() == 3 else [out]


def structure(module, name, pictures):
    """What autograd knows of the model: which weights have a say, which get a gradient.

    {"parameters": [{"name", "shape", "grads": |gradient| from each head or None, "changes": ...}],
    "strangers": shapes of weights that are no parameters, "operations", "layers", "requires"}
    """
    model = model_of(module, name).train()
    x = torch.as_tensor(pictures)
    with doing("forward in training"), torch.enable_grad():
        torch.manual_seed(0)
        outs = heads_of(outputs(model, x))
        graphs = [graph(out) for out in outs]
        parameters = dict(model.named_parameters())
        known = {id(parameter) for parameter in parameters.values()}
        grads = {name: [] for name in parameters}
        for place, out in enumerate(outs):
            found = [None] * len(parameters)
            if out.requires_grad and any(p.requires_grad for p in parameters.values()):
                trainable = [p for p in parameters.values() if p.requires_grad]
                loss = F.cross_entropy(out, torch.arange(len(x)) % 10)
                last = place == len(outs) - 1
                got = torch.autograd.grad(loss, trainable, allow_unused=True, retain_graph=not last)
                by_id = {id(p): g for p, g in zip(trainable, got, strict=True)}
                found = [by_id.get(id(p)) for p in parameters.values()]
            for key, gradient in zip(parameters, found, strict=True):
                grads[key].append(None if gradient is None else float(gradient.norm()))
    strangers = [size(v) for leaves, _ in graphs for v in leaves if id(v) not in known]
    return {
        "requires": [bool(out.requires_grad) for out in outs],
        "strangers": strangers,
        "operations": [sorted(names) for _, names in graphs],
        "layers": sorted({type(layer).__name__ for layer in model.modules()}),
        "parameters": [
            {
                "name": key,
                "shape": size(parameter),
                "grads": grads[key],
                "zero": not bool(parameter.any()),
                "changes": changes(model, parameter, x) if None in grads[key] else [],
            }
            for key, parameter in parameters.items()
        ],
    }


@torch.no_grad()
def changes(model, parameter, x):
    """By head whether other values of a parameter change the answers."""
    model.eval()
    torch.manual_seed(0)  # for a dropout that stays on
    # A forward that changes its pictures in place gets new ones.
    before, old = [out.clone() for out in heads_of(outputs(model, x.clone()))], parameter.clone()
    parameter.add_(1 + torch.rand_like(parameter))
    torch.manual_seed(0)
    after = heads_of(outputs(model, x.clone()))
    parameter.copy_(old)
    model.train()
    return [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]


def graph(tensor):
    """The leaves (tensors that gather a gradient) and the operations behind an output."""
    waiting = [tensor.grad_fn] if tensor.grad_fn is not None else []
    leaves, names, seen = [], set(), set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        names.add(type(node).__name__)
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        waiting.extend(following for following, _ in node.next_functions if following is not None)
    return leaves, names


def main(module):
    """Runs the script and returns what its models were shown; see stage.perform."""
    return stage.perform(module)


# ------------------------------------------------------------------------- our lessons' steps


def step(_, request):
    """What the probe of a step finds, as in tests/exercises.py check: its notes, and its error."""
    from tests.practice import worker  # not in Gradescope's zip, where no steps are graded

    return worker.answer(request)
