"""What is asked of each step of the PyTorch lessons; see probes.py."""

import warnings
from itertools import count

import train_utils
import utils
from tests.practice.probes import flat, kind_of, number_in, schedule, sides

import numpy as np
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

FEATURES, CLASSES = 4, 10


def tensor(value):
    """Return a tensor as an array, for its shape is asked for as well."""
    return torch.as_tensor(value).detach().double().numpy()


def floats(value):
    """Return the numbers of a result of floats or tensors, nested or not, as a list."""
    if isinstance(value, (tuple, list)):
        return [number for one in value for number in floats(one)]
    return flat(value.detach() if torch.is_tensor(value) else value)


# ------------------------------------------------------------------------------ a model to train


class Reader(nn.Module):
    """A linear layer, or two, with fixed weights, that keeps a diary of how it was called.

    diary: in which mode each call was, and whether with gradients, in words.
    """

    def __init__(self, heads=1):
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(FEATURES, CLASSES) for _ in range(heads)])
        self.diary, self.backwards = [], []
        with torch.no_grad():
            for shift, weights in enumerate(self.parameters()):
                steps = torch.arange(weights.numel(), dtype=torch.float32) + 7 * shift
                weights.copy_(torch.sin(1 + 1.7 * steps).reshape(weights.shape))
        self.heads[0].bias.register_hook(self.backwards.append)

    def forward(self, x):
        mode = "training" if self.training else "eval"
        self.diary.append(f"{mode} mode, with{'' if torch.is_grad_enabled() else 'out'} gradients")
        out = [head(x) for head in self.heads]
        return out[0] if len(out) == 1 else tuple(out)


def batches_of(heads=1, sizes=(5, 5, 3), shift=0):
    """Return batches with a short last one; the labels of two digits are never the same."""
    result = []
    for place, size in enumerate(sizes):
        steps = torch.arange(size * FEATURES, dtype=torch.float32) + 31 * (place + shift)
        x = 2 * torch.cos(0.9 * steps).reshape(size, FEATURES)
        with torch.no_grad():
            said = [out.argmax(1) for out in Reader(2)(x)]
        y = torch.stack(
            [torch.where(torch.arange(size) % 3 < 2 - h, said[h], 9 - said[h]) for h in (0, 1)]
        )
        y[1] = torch.where(y[1] == y[0], (y[1] + 1) % CLASSES, y[1])
        result.append({"x": x, "y": y[0] if heads == 1 else y})
    return result


def sgd(model, **more):
    """Return an optimizer with momentum: else two equal steps are one of twice the length."""
    return torch.optim.SGD(model.parameters(), **{"lr": 0.1, "momentum": 0.5} | more)


def weights_of(model):
    return {f"weights {n}": flat(p.detach()) for n, p in enumerate(model.parameters())}


def epoch(heads=1):
    """Return the probe of run_epoch."""

    def figures(result):
        loss, accuracy = result
        return {"loss": floats(loss), "accuracy": floats(accuracy)}

    def probe(m):
        data = batches_of(heads)
        model = Reader(heads).eval()
        label = "run_epoch with the model in eval mode"
        yield label, lambda: figures(m.run_epoch(data, model, sgd(model)))
        yield f"{label}: the weights", weights_of, model
        yield f"{label}: the mode of a call of the model", list, model.diary
        yield f"{label} and without an optimizer", lambda: figures(m.run_epoch(data, model, None))
        yield f"{label}: what it gives", lambda: kind_of(m.run_epoch(data, model, None))
        learner = Reader(heads).train()
        label = "run_epoch in training"
        optimizer, steps, results = sgd(learner), [], []
        optimizer.register_step_post_hook(lambda *_: steps.append(1))

        def train():
            results.append(m.run_epoch(data, learner, optimizer))
            return figures(results[0])

        yield label, train
        yield f"{label}: the weights", weights_of, learner
        yield f"{label}: calls of backward", lambda: len(learner.backwards)
        yield f"{label}: calls of optimizer.step", lambda: len(steps)
        yield f"{label}: the mode of a call of the model", list, learner.diary
        yield f"{label}: what it gives", kind_of, results[0]
        yield "what run_epoch raises if there is no batch", raised, m.run_epoch, [], model, None

    return probe


def raised(function, *arguments):
    """Return the name of the error that a call ends with."""
    try:
        function(*arguments)
    except Exception as error:
        return type(error).__name__
    return "no error"


def ingredients(m):
    """Ask run_epoch for what is keyword-only: harder, label_smoothing, scheduler, average."""
    from torch.optim.lr_scheduler import LambdaLR
    from torch.optim.swa_utils import AveragedModel

    def figures(result):
        return {"loss": floats(result[0]), "accuracy": floats(result[1])}

    def harder(x, y):
        return x + 0.1 * y[:, None]

    def train(**more):
        model = Reader().train()
        optimizer = sgd(model)
        made = {name: make(model, optimizer) for name, make in more.items()}
        result = m.run_epoch(batches_of(), model, optimizer, **made)
        return figures(result) | weights_of(made.get("average", model))

    def counted(average):
        counter = count()

        def rate(step):
            next(counter)
            return 0.5**step

        train(scheduler=lambda _, optimizer: LambdaLR(optimizer, rate))
        return next(counter)

    yield "with harder", lambda: train(harder=lambda *_: harder)
    model = Reader().eval()
    label = "with harder, in eval mode"
    yield label, lambda: figures(m.run_epoch(batches_of(), model, None, harder=harder))
    yield "with label_smoothing=0.2", lambda: train(label_smoothing=lambda *_: 0.2)
    yield "with a scheduler, the number of its steps, and 1,", counted, None
    yield "with an average, its", lambda: train(average=lambda model, _: AveragedModel(model))


def train_plainly(m):
    model, data, steps = Reader(), batches_of(), []
    hook = register_optimizer_step_post_hook(lambda *_: steps.append(1))
    yield "train_plainly", lambda: m.train_plainly(model, data, 0.2, 3) and None
    hook.remove()
    yield "the weights after three epochs", weights_of, model
    yield "the mode of a call of the model", list, model.diary
    yield "calls of backward", lambda: len(model.backwards)
    yield "calls of optimizer.step", lambda: len(steps)


def train_model(m):
    for settings in ({"momentum": 0.7}, {"momentum": 0.7, "nesterov": True}):
        model = Reader()
        words = ", ".join(f"{name}={value}" for name, value in settings.items())
        how = {"lr": 0.2, "n_epochs": 3} | settings
        data, dev = batches_of(), batches_of(sizes=(4, 3), shift=5)
        yield (
            f"train_model({words})",
            lambda *a, h=how: flat(m.train_model(*a, **h)),
            data,
            dev,
            model,
        )
        yield f"the weights after three epochs with {words}", weights_of, model
        yield "the mode of a call of the model", list, model.diary
    model = Reader(2)
    data, dev = batches_of(2), batches_of(2, (4, 3), shift=5)
    yield "two heads", lambda: flat(m.train_model(data, dev, model, 0.2, n_epochs=2))
    yield from recorded(m)


def recorded(m):
    """Ask what train_model makes of a run, of averaged weights and of what else reaches its loop.

    The dice are thrown before each call: who does not set an epoch's seed gets these numbers.
    """
    batches = batches_of(sizes=(5, 5, 5))
    x, y = (torch.cat([batch[name] for batch in batches]) for name in ("x", "y"))
    dev = batches_of(sizes=(6, 5), shift=5)
    for words, more in (
        ("a run", {}),
        ("averaging=0.6", {"averaging": 0.6}),
        ("a schedule", {"schedule": train_utils.one_cycle}),
        ("label_smoothing=0.2", {"label_smoothing": 0.2}),
    ):
        model, run = Reader(), utils.Run(4, seed=3)

        def train(model=model, run=run, more=more):
            torch.manual_seed(99)
            data = train_utils.ShuffledBatches(x, y, 5)
            return flat(m.train_model(data, dev, model, 0.4, 0.5, n_epochs=4, run=run, **more))

        yield f"train_model with {words}", train
        keys = ("train_loss", "train_accuracy", "dev_loss", "dev_accuracy", "lr")
        for key in keys:
            label = f"with {words}, {key} of an epoch"
            yield label, lambda r, k: [float(row[k]) for row in r.history], run, key
        yield f"with {words}, afterwards", weights_of, model


def Flatten(m):  # noqa: N802 - as the class is called
    x = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(2, 3, 4)
    yield "Flatten()(x), x (2, 3, 4),", lambda: tensor(m.Flatten()(x))
    yield "Flatten()(x), x (4, 6),", lambda: tensor(m.Flatten()(x.reshape(4, 6)))


def batchify_data(m):
    x = np.arange(7 * 4).reshape(7, 2, 2) / 3
    y = np.array([3, 1, 4, 1, 5, 9, 2])
    for two in (False, True):
        labels = np.stack([y, y[::-1]]) if two else y
        for drop in (True, False):
            words = f"{'two digits, ' if two else ''}7 examples, batch_size 3, drop_last={drop}: "

            def cut(labels=labels, drop=drop):
                return m.batchify_data(x, labels, 3, drop_last=drop)

            yield words + "the number of batches", lambda c: len(c()), cut
            yield words + "x", lambda c: [tensor(batch["x"]) for batch in c()], cut
            yield words + "y", lambda c: [tensor(batch["y"]) for batch in c()], cut
    one = [None]

    def first():
        one[0] = m.batchify_data(x, y, 3)[0]
        return str(one[0]["x"].dtype)

    yield "the type of x", first
    yield "the type of y", lambda: str(one[0]["y"].dtype)

    label = "what batchify_data raises for 7 images and 5 labels"
    yield label, raised, m.batchify_data, x, y[:5], 3


def compute_accuracy(m):
    for read, right in (([1, 2, 3, 4], [1, 2, 0, 4]), ([5, 5], [5, 5]), ([0, 1, 2], [2, 0, 1])):
        label = f"compute_accuracy({read}, {right})"
        yield label, lambda *a: number_in(m.compute_accuracy(*map(torch.tensor, a))), read, right
    label = "what compute_accuracy gives"
    yield label, lambda *a: kind_of(m.compute_accuracy(*map(torch.tensor, a))), read, right


class Normed(nn.Module):
    """Batch normalisation and a linear layer: shows in which mode adversarial images are made."""

    def __init__(self):
        super().__init__()
        self.norm, self.read = nn.BatchNorm1d(FEATURES), Reader()

    def forward(self, x):
        return self.read(self.norm(x))


def adversarial_examples(m):
    model = Normed().train()
    batch = batches_of()[0]
    yield "the images", lambda: tensor(m.adversarial_examples(model, batch["x"], batch["y"], 0.5))
    yield "the model is in training mode afterwards", lambda: model.training
    yield "the averages of batch normalisation", lambda: flat(model.norm.running_mean)


# ------------------------------------------------------------------------------ the models


def pictures(number, shape, seed=0):
    return torch.rand(number, *shape, generator=torch.Generator().manual_seed(seed))


def answers(model, x):
    """Return the logits of each head, as a list."""
    out = model(x)
    return list(out) if isinstance(out, (tuple, list)) else [out]


def close(a, b):
    return bool(torch.allclose(a, b, atol=1e-4, rtol=1e-3))


def leaves_of(outputs):
    """Return the tensors that gather a gradient behind some outputs."""
    waiting, seen, leaves = [o.grad_fn for o in outputs if o.grad_fn is not None], set(), []
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        waiting += [following for following, _ in node.next_functions if following is not None]
    return leaves


def facts(make, shape, heads):
    """Ask a model for what holds whatever its layers are."""
    torch.manual_seed(0)
    model = make()
    yield "the number of heads", lambda: len(answers(model.eval(), pictures(5, shape)))
    for number in (5, 1):
        label = f"the shapes of the answers for {number} images"
        yield (
            label,
            lambda n: ", ".join(map(sides, answers(model.eval(), pictures(n, shape)))),
            number,
        )

    def quiet(function):
        with torch.no_grad():
            return function(answers(model.eval(), pictures(6, shape)))

    def sums_to_one(axis):
        def question(outs):
            return any(
                bool((o >= 0).all()) and close(o.sum(axis), torch.ones(o.shape[1 - axis]))
                for o in outs
            )

        return question

    yield "the ten answers for an image add up to 1", quiet, sums_to_one(1)
    yield "the answers of a class add up to 1 over the batch", quiet, sums_to_one(0)
    yield (
        "an answer below 0 was found",
        lambda: any(bool((o < 0).any()) for o in quiet(lambda outs: outs)),
    )
    yield "all answers lie between 0 and 1, also with weights 30 times as large", wild, make, shape

    def alone(outs):
        with torch.no_grad():
            first = answers(model, pictures(6, shape)[:1])
        return all(close(a[:1], b) for a, b in zip(outs, first, strict=True))

    yield "an image has the same answer alone and among others", quiet, alone

    def twice(outs):
        with torch.no_grad():
            again = answers(model, pictures(6, shape))
        return all(close(a, b) for a, b in zip(outs, again, strict=True))

    yield "in eval mode the same images have the same answers twice", quiet, twice
    if heads == 2:
        yield "the two heads say the same", quiet, lambda outs: close(outs[0], outs[1])
    names = ["the upper digit's head", "the lower digit's head"] if heads == 2 else ["it"]
    for head, name in enumerate(names):
        label = f"{name} looks at the image"
        yield label, quiet, lambda outs, h=head: float(outs[h].std(0).max()) > 1e-7
        for third, where in enumerate(("upper", "middle", "lower")):
            yield f"{name} looks at the {where} third of the image", sees, make, shape, head, third
    yield "a mean of two images has the mean of their answers", linear, model, shape
    yield "weights that parameters() lacks", lambda: unknown(model, shape)
    yield "weights that no gradient reaches", lambda: unreached(model, shape)


@torch.no_grad()
def wild(make, shape):
    model = make().eval()
    for weights in model.parameters():
        weights.mul_(30)
    outs = answers(model, 3 * (pictures(32, shape, 1) - 0.5))
    return all(bool(((o >= 0) & (o <= 1)).all()) for o in outs)


@torch.no_grad()
def sees(make, shape, head, part):
    """Return whether a head's answer changes with a third of the image."""
    model, x = make().eval(), pictures(4, shape)
    third, changed = shape[-2] // 3, x.clone()
    rows = slice(part * third, (part + 1) * third)
    changed[..., rows, :] = 1 - changed[..., rows, :]
    return not torch.equal(answers(model, x)[head], answers(model, changed)[head])


@torch.no_grad()
def linear(model, shape):
    a, b = pictures(4, shape, 2), pictures(4, shape, 3)
    middle = answers(model.eval(), (a + b) / 2)
    ends = zip(answers(model, a), answers(model, b), strict=True)
    return all(
        torch.allclose((x + y) / 2, m, atol=1e-5) for (x, y), m in zip(ends, middle, strict=True)
    )


def unknown(model, shape):
    known = {id(weights) for weights in model.parameters()}
    leaves = leaves_of(answers(model.train(), pictures(4, shape)))
    return sum(id(leaf) not in known for leaf in leaves)


def unreached(model, shape):
    reached = {id(leaf) for leaf in leaves_of(answers(model.train(), pictures(4, shape)))}
    return sum(id(weights) not in reached for weights in model.parameters())


def linear_layers(model):
    """Return in words what the linear layers of a model are, in order."""
    shapes = [p.shape for p in model.parameters() if p.ndim == 2]
    return ", ".join(f"{n_in} -> {n_out}" for n_out, n_in in shapes) or "none"


def convolutions(model):
    """Return in words what the convolutions of a model are, in order."""
    return [
        f"{sides(p.weight[0, 0])}, from {p.in_channels} to {p.out_channels} channels, "
        f"with{'out' if p.bias is None else ''} a bias"
        for p in model.modules()
        if isinstance(p, nn.Conv2d)
    ]


def has(model, *kinds):
    return sum(isinstance(layer, kinds) for layer in model.modules())


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
NORM_LAYERS = "the number of layers of batch normalisation"


def fc_model(m):
    yield from facts(lambda: m.build_model([32, 16]), (1, 28, 28), 1)
    yield (
        "build_model([32, 16]): the list of linear layers",
        lambda: linear_layers(m.build_model([32, 16])),
    )
    for wanted in (True, False):
        label = f"build_model([32, 16], batch_norm={wanted}): {NORM_LAYERS}"
        yield label, lambda w: has(m.build_model([32, 16], batch_norm=w), *NORMS), wanted
    yield (
        "build_model([8], 'tanh'): the number of layers nn.Tanh",
        lambda: has(m.build_model([8], "tanh"), nn.Tanh),
    )
    yield "the number of dropout layers", lambda: has(m.build_model([8]), nn.Dropout)


def convolve(m):
    rng = np.random.default_rng(2)
    x, filters, biases = (
        rng.random((2, 5, 6)),
        rng.normal(0, 1, (3, 2, 3, 2)),
        np.array([0.5, -1, 2]),
    )
    yield "convolve(x, filters, biases)", lambda: np.asarray(m.convolve(x, filters, biases), float)


def stage(m):
    x = pictures(2, (3, 8, 8))
    for words, more in (
        ("", {}),
        (", kernel=5", {"kernel": 5}),
        (", stride=2", {"stride": 2}),
        (", pad=False", {"pad": False}),
        (", pool=True", {"pool": True}),
        (", batch_norm=False", {"batch_norm": False}),
    ):

        def made(more=more):
            return nn.Sequential(*m.stage(3, 4, **more))

        name = f"stage(3, 4{words}): "
        yield name + "its convolution", lambda f: convolutions(f()), made
        yield name + NORM_LAYERS, lambda f: has(f(), *NORMS), made
        yield name + "the shape of 2 x 3 x 8 x 8 afterwards", lambda f: sides(f()(x)), made
        yield name + "a number below 0 comes out", lambda f: bool((f()(x) < 0).any()), made


def ours(m):
    x = pictures(2, (1, 28, 28))
    for words, more in (("", {}), ("width=0.5", {"width": 0.5})):

        def made(more=more):
            return nn.Sequential(*m.ours(**more))

        name = f"ours({words}): "
        yield name + "the number of convolutions", lambda f: has(f(), nn.Conv2d), made
        yield name + "convolution", lambda f: convolutions(f()), made
        yield name + "the heights of the images that reach them", lambda f: heights(f(), x), made
        yield name + "the shape of 2 x 1 x 28 x 28 afterwards", lambda f: sides(f()(x)), made
    label = f"ours(batch_norm=False): {NORM_LAYERS}"
    yield label, lambda: has(nn.Sequential(*m.ours(batch_norm=False)), *NORMS)


def heights(model, x):
    """Return in words how high the images are that the convolutions are given."""
    result = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(lambda _, given: result.append(given[0].shape[-2]))
    model(x)
    return ", ".join(map(str, result))


def cnn_model(m):
    yield "build_model() is in training mode", lambda: m.build_model().training
    yield from facts(m.build_model, (1, 28, 28), 1)
    label = "what batch normalisation has seen in build_model()"
    yield label, lambda: int(sum(b.sum() for n, b in m.build_model().named_buffers() if "num" in n))
    for design, width in (("ours", 0.5), ("quick", 1.0), ("strides", 1.0)):
        label = f"build_model({design!r}, {width:g}): the list of linear layers"
        yield label, lambda *a: linear_layers(m.build_model(*a)), design, width


def compose(m):
    upper, lower = pictures(3, (1, 28, 28)), pictures(3, (1, 28, 28), 1)
    label = "compose(upper, lower)"
    yield f"{label}: the shape", lambda: sides(m.compose(upper, lower))
    for name, rows in (
        ("0 to 13", slice(0, 14)),
        ("14 to 27", slice(14, 28)),
        ("28 to 41", slice(28, 42)),
    ):
        words = f"{label}: rows {name}, the mean of the image"
        yield words, lambda r: tensor(m.compose(upper, lower)[:, 0, r].mean((1, 2))), rows
    words = f"{label}: row 20"
    yield words, lambda: tensor(m.compose(upper, lower)[:, 0, 20])
    small = [(255 * digits).to(torch.uint8) for digits in (upper, lower)]
    yield f"{label}: the type for digits of uint8", lambda: str(m.compose(*small).dtype)


def mlp_model(m):
    yield from facts(lambda: m.MLP(42 * 28, [32, 16]), (1, 42, 28), 2)
    widths = [32, 16]
    for wanted in widths:
        label = f"MLP(1176, {widths}): there is a linear layer with {wanted} units"
        yield label, lambda w: f"-> {w}," in linear_layers(m.MLP(1176, widths)) + ",", wanted
    for wanted in (True, False):
        label = f"MLP(1176, [32, 16], {wanted}): {NORM_LAYERS}"
        yield label, lambda w: has(m.MLP(1176, [32, 16], w), *NORMS), wanted


def conv_model(m):
    yield from facts(m.CNN, (1, 42, 28), 2)
    yield "there is a convolution", lambda: has(m.CNN(), nn.Conv2d) > 0


PROBES = {
    "train_plainly": train_plainly,
    "Flatten": Flatten,
    "batchify_data": batchify_data,
    "compute_accuracy": compute_accuracy,
    "run_epoch": epoch(),
    "run_epoch.two_heads": epoch(2),
    "run_epoch.ingredients": ingredients,
    "train_model": train_model,
    "one_cycle": schedule("one_cycle"),
    "adversarial_examples": adversarial_examples,
    "nnet_fc.build_model": fc_model,
    "convolve": convolve,
    "nnet_cnn.stage": stage,
    "nnet_cnn.ours": ours,
    "nnet_cnn.build_model": cnn_model,
    "compose": compose,
    "MLP": mlp_model,
    "CNN": conv_model,
}
warnings.filterwarnings("ignore")
