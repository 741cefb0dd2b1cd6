"""What is asked of each step of the PyTorch lessons; see probes.py."""

import warnings
from itertools import count

from tests.practice.probes import flat, schedule

import numpy as np
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

FEATURES, CLASSES = 4, 10


def tensor(value):
    """Return a tensor as an array, for its shape is asked for as well."""
    return torch.as_tensor(value).detach().double().numpy()


# ------------------------------------------------------------------------------ a model to train


class Reader(nn.Module):
    """A linear layer, or two, with fixed weights, that keeps a diary of how it was called.

    diary: (training?, with gradients?) of each call.
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
        self.diary.append([self.training, torch.is_grad_enabled()])
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

    def figures(model, result):
        loss, accuracy = result
        return {"loss": flat(loss), "accuracy": flat(accuracy)}

    def probe(m):
        data = batches_of(heads)
        model = Reader(heads).eval()
        label = "run_epoch with the model in eval mode"
        yield label, lambda: figures(model, m.run_epoch(data, model, sgd(model)))
        yield f"{label}: the weights", weights_of, model
        yield f"{label}: [training, with gradients] of each call", list, model.diary
        yield (
            f"{label} and without an optimizer",
            lambda: figures(0, m.run_epoch(data, model, None)),
        )
        learner = Reader(heads).train()
        label = "run_epoch in training"
        optimizer, steps = sgd(learner), []
        optimizer.register_step_post_hook(lambda *_: steps.append(1))
        yield label, lambda: figures(learner, m.run_epoch(data, learner, optimizer))
        yield f"{label}: the weights", weights_of, learner
        yield f"{label}: calls of backward", lambda: len(learner.backwards)
        yield f"{label}: calls of optimizer.step", lambda: len(steps)
        yield f"{label}: [training, with gradients] of each call", list, learner.diary

    return probe


def ingredients(m):
    """Ask run_epoch for what is keyword-only: harder, label_smoothing, scheduler, average."""
    from torch.optim.lr_scheduler import LambdaLR
    from torch.optim.swa_utils import AveragedModel

    def figures(result):
        return {"loss": flat(result[0]), "accuracy": flat(result[1])}

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
    yield "the modes of the calls: training", lambda: [one[0] for one in model.diary]
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
        yield "the modes of the calls: training", lambda d: [one[0] for one in d], model.diary
    model = Reader(2)
    data, dev = batches_of(2), batches_of(2, (4, 3), shift=5)
    yield "two heads", lambda: flat(m.train_model(data, dev, model, 0.2, n_epochs=2))


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

    def refused():
        try:
            m.batchify_data(x, y[:5], 3)
        except ValueError:
            return "ValueError"
        except Exception as error:
            return type(error).__name__
        return "no error"

    yield "7 images and 5 labels", refused


def compute_accuracy(m):
    for read, right in (([1, 2, 3, 4], [1, 2, 0, 4]), ([5, 5], [5, 5]), ([0, 1, 2], [2, 0, 1])):
        label = f"compute_accuracy({read}, {right})"
        yield label, lambda *a: float(m.compute_accuracy(*map(torch.tensor, a))), read, right


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
            lambda n: [list(o.shape) for o in answers(model.eval(), pictures(n, shape))],
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
    yield (
        "every head looks at the image",
        quiet,
        lambda outs: [float(o.std(0).max()) > 1e-7 for o in outs],
    )
    yield "every head looks at every third of the image", sees_all, make, shape
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
def sees_all(make, shape):
    model, x = make().eval(), pictures(4, shape)
    third, before = shape[-2] // 3, answers(model, x)
    result = []
    for part in range(3):
        changed = x.clone()
        changed[..., part * third : (part + 1) * third, :] = (
            1 - changed[..., part * third : (part + 1) * third, :]
        )
        result.append(
            [not torch.equal(a, b) for a, b in zip(before, answers(model, changed), strict=True)]
        )
    return result


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


def tables_of(model):
    """Return the shapes of the weights of linear layers, in order."""
    return [list(p.shape) for p in model.parameters() if p.ndim == 2]


def has(model, *kinds):
    return sum(isinstance(layer, kinds) for layer in model.modules())


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def fc_model(m):
    yield from facts(lambda: m.build_model([32, 16]), (1, 28, 28), 1)
    yield (
        "build_model([32, 16]): the shapes of the linear layers",
        lambda: tables_of(m.build_model([32, 16])),
    )
    for wanted in (True, False):
        label = f"build_model([32, 16], batch_norm={wanted}): the layers of batch normalisation"
        yield label, lambda w: has(m.build_model([32, 16], batch_norm=w), *NORMS), wanted
    yield (
        "build_model([8], 'tanh'): the layers nn.Tanh",
        lambda: has(m.build_model([8], "tanh"), nn.Tanh),
    )
    yield "dropout layers", lambda: has(m.build_model([8]), nn.Dropout)


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
        (", pool=True", {"pool": True}),
        (", batch_norm=False", {"batch_norm": False}),
    ):

        def made(more=more):
            return nn.Sequential(*m.stage(3, 4, **more))

        name = f"stage(3, 4{words}): "
        yield name + "the shape for (2, 3, 8, 8)", lambda f: list(f()(x).shape), made
        yield name + "layers of batch normalisation", lambda f: has(f(), *NORMS), made
        yield name + "a number below 0 comes out", lambda f: bool((f()(x) < 0).any()), made
        label = name + "the convolution's shape, and whether it has a bias"
        yield (
            label,
            lambda f: [
                [list(p.weight.shape), p.bias is not None]
                for p in f().modules()
                if isinstance(p, nn.Conv2d)
            ],
            made,
        )


def ours(m):
    x = pictures(2, (1, 28, 28))
    for words, more in (("", {}), ("width=0.5", {"width": 0.5})):
        label = f"ours({words}): the shape for (2, 1, 28, 28)"
        yield label, lambda k: list(nn.Sequential(*m.ours(**k))(x).shape), more
        label = f"ours({words}): the shapes of the convolutions"
        yield label, lambda k: convolutions(m.ours(**k)), more
    label = "ours(batch_norm=False): layers of batch normalisation"
    yield label, lambda: has(nn.Sequential(*m.ours(batch_norm=False)), *NORMS)
    x = pictures(2, (1, 28, 28))
    label = "ours(): the sides of the images on the way"
    yield label, lambda: sides(nn.Sequential(*m.ours()), x)


def convolutions(layers):
    return [list(p.shape) for p in nn.Sequential(*layers).parameters() if p.ndim == 4]


def sides(model, x):
    """Return the heights of what the convolutions are given."""
    result = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(lambda _, given: result.append(given[0].shape[-1]))
    model(x)
    return result


def cnn_model(m):
    yield "build_model() is in training mode", lambda: m.build_model().training
    yield from facts(m.build_model, (1, 28, 28), 1)
    label = "what batch normalisation has seen in build_model()"
    yield label, lambda: int(sum(b.sum() for n, b in m.build_model().named_buffers() if "num" in n))
    for design, width in (("ours", 0.5), ("quick", 1.0), ("strides", 1.0)):
        label = f"build_model({design!r}, {width:g}): the shape of the last layer"
        yield label, lambda *a: tables_of(m.build_model(*a)), design, width


def compose(m):
    upper, lower = pictures(3, (1, 28, 28)), pictures(3, (1, 28, 28), 1)
    label = "compose(upper, lower)"
    yield f"{label}: the shape", lambda: list(m.compose(upper, lower).shape)
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
    label = f"MLP(1176, {widths}): there is a layer of each width"
    yield label, lambda: [w in {t[0] for t in tables_of(m.MLP(1176, widths))} for w in widths]
    for wanted in (True, False):
        label = f"MLP(1176, [32, 16], {wanted}): the layers of batch normalisation"
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
