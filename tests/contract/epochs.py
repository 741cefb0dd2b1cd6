"""One epoch in plain PyTorch, done right and in all ways known to be wrong, on a tiny reader.

The contract tests of train_utils.py compare weights after a step and averages after an epoch with
what is worked out here by torch.autograd. Nothing in here comes from the module under test.
"""

from tests.grading.judge import blame

import torch
import torch.nn.functional as F
from torch import nn

BATCHES, EXAMPLES, FEATURES, CLASSES = 3, 5, 4, 10  # small, and no two numbers the same
RATE = 0.5


class Reader(nn.Module):
    """A linear reader of one label that keeps a diary of who called it and how.

    diary: (training?, (B, FEATURES) input, predicted labels) per call.
    """

    heads = 1

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(FEATURES, CLASSES)
        self.diary = []
        set_weights(self)

    def note(self, x, *outputs):
        self.diary.append((self.training, x.detach().clone(), [o.argmax(1) for o in outputs]))

    def forward(self, x):
        out = self.one(x)
        self.note(x, out)
        return out


class TwoReaders(Reader):
    """The same with two heads."""

    heads = 2

    def __init__(self):
        super().__init__()
        self.two = nn.Linear(FEATURES, CLASSES)
        set_weights(self)

    def forward(self, x):
        out = self.one(x), self.two(x)
        self.note(x, *out)
        return out


def reader(heads):
    return Reader() if heads == 1 else TwoReaders()


def set_weights(model):
    """Fixed weights between -1 and 1, different everywhere."""
    with torch.no_grad():
        for shift, parameter in enumerate(model.parameters()):
            steps = torch.arange(parameter.numel(), dtype=torch.float32) + 7 * shift
            parameter.copy_(torch.sin(1 + 1.7 * steps).reshape(parameter.shape))


def weights(model):
    """All weights of a model as one list of floats."""
    return [v for parameter in model.parameters() for v in parameter.detach().flatten().tolist()]


def examples(heads, batches=BATCHES):
    """Batches {'x': (5, 4), 'y': (5,) or (2, 5)}; the two rows of labels never agree.

    Where a head of the reader with its first weights is wrong, the label is what the other head
    says: so each head has another accuracy, 8 and 6 of the 15 in three batches, and yet others, 7
    and 9, when it is compared with the other row of labels.
    """
    result = []
    for place in range(batches):
        steps = torch.arange(EXAMPLES * FEATURES, dtype=torch.float32) + 31 * place
        x = torch.cos(0.9 * steps).reshape(EXAMPLES, FEATURES)
        with torch.no_grad():
            one, two = (out.argmax(1) for out in TwoReaders()(x))
        here = torch.arange(EXAMPLES)
        first = torch.where(here < (3, 1, 4)[place % 3], one, two)
        second = torch.where(here < (1, 3, 2)[place % 3], two, one)
        y = first if heads == 1 else torch.stack([first, second])
        result.append({"x": x, "y": y.to(torch.int64)})
    return result


def outputs_and_labels(model, batch):
    outputs = model(batch["x"])
    return (
        [(outputs, batch["y"])] if model.heads == 1 else list(zip(outputs, batch["y"], strict=True))
    )


def right_loss(pairs):
    return sum(F.cross_entropy(out, y) for out, y in pairs) / len(pairs)


def wrong_losses(heads):
    """Pairs (words, function of the (output, labels) pairs -> loss) that learners minimise."""
    yield ("run_epoch steps up the loss, not down", lambda pairs: -right_loss(pairs))
    yield (
        "the loss is not averaged over the examples of a batch",
        lambda pairs: EXAMPLES * right_loss(pairs),
    )
    yield ("the loss is half of what it should be", lambda pairs: right_loss(pairs) / 2)
    yield (
        "there is a softmax before the cross-entropy, which has one of its own",
        lambda pairs: right_loss([(F.softmax(out, 1), y) for out, y in pairs]),
    )
    yield (
        "there is a sigmoid before the cross-entropy",
        lambda pairs: right_loss([(torch.sigmoid(out), y) for out, y in pairs]),
    )
    yield (
        "nll_loss gets the outputs as they are: log_softmax is missing",
        lambda pairs: sum(F.nll_loss(out, y) for out, y in pairs) / len(pairs),
    )
    if heads == 1:
        return
    cross = F.cross_entropy
    yield (
        "the loss is not averaged over the two heads, but added up",
        lambda pairs: 2 * right_loss(pairs),
    )
    yield ("only the first head is trained", lambda pairs: cross(*pairs[0]))
    yield ("only the first head is trained", lambda pairs: cross(*pairs[0]) / 2)
    yield ("only the second head is trained", lambda pairs: cross(*pairs[1]))
    yield ("only the second head is trained", lambda pairs: cross(*pairs[1]) / 2)
    for factor in (1, 2):
        yield (
            "the second head is trained on the first digit's labels",
            lambda pairs, f=factor: f * right_loss([pairs[0], (pairs[1][0], pairs[0][1])]),
        )
        yield (
            "the first head is trained on the second digit's labels",
            lambda pairs, f=factor: f * right_loss([(pairs[0][0], pairs[1][1]), pairs[1]]),
        )
        yield (
            "each head is trained on the other digit's labels",
            lambda pairs, f=factor: (
                f * right_loss([(pairs[0][0], pairs[1][1]), (pairs[1][0], pairs[0][1])])
            ),
        )


def sgd(model, rate=RATE):
    """With momentum: without it two steps on one gradient are one step on its double."""
    return torch.optim.SGD(model.parameters(), lr=rate, momentum=0.5)


def trained(heads, batches, loss=right_loss, accumulate=False, steps=1):
    """The weights after one epoch on `batches`."""
    model = reader(heads)
    optimizer = sgd(model)
    for batch in batches:
        if not accumulate:
            optimizer.zero_grad()
        loss(outputs_and_labels(model, batch)).backward()
        for _ in range(steps):
            optimizer.step()
    return weights(model)


def wrong_epochs(heads, batches):
    """Pairs (words, weights after an epoch) of the ways in which learners get it wrong."""
    yield ("run_epoch does not train: the weights are the same after it", weights(reader(heads)))
    yield (
        "the gradients add up from batch to batch: optimizer.zero_grad() is missing",
        trained(heads, batches, accumulate=True),
    )
    yield ("optimizer.step() is called twice for a batch", trained(heads, batches, steps=2))
    yield (
        "run_epoch takes only one step in an epoch, on its last batch",
        trained(heads, batches[-1:]),
    )
    yield ("run_epoch stops after its first batch", trained(heads, batches[:1]))
    yield ("run_epoch leaves out the last batch", trained(heads, batches[:-1]))
    yield ("run_epoch leaves out the first batch", trained(heads, batches[1:]))
    for words, loss in wrong_losses(heads):
        yield words, trained(heads, batches, loss=loss)
        yield (
            words + "; and optimizer.zero_grad() is missing",
            trained(heads, batches, loss=loss, accumulate=True),
        )


def averages(heads, batches):
    """[loss of each head], [accuracy of each head] over all batches of equal size."""
    model = reader(heads)
    losses, accuracies = [], []
    with torch.no_grad():
        for batch in batches:
            pairs = outputs_and_labels(model, batch)
            losses.append([F.cross_entropy(out, y).item() for out, y in pairs])
            accuracies.append([(out.argmax(1) == y).float().mean().item() for out, y in pairs])
    return (
        [sum(column) / len(batches) for column in zip(*losses, strict=True)],
        [sum(column) / len(batches) for column in zip(*accuracies, strict=True)],
    )


def wrong_averages(heads, batches):
    """Pairs (words, [losses..., accuracies...]) of the ways in which learners report an epoch."""
    loss, accuracy = averages(heads, batches)
    yield from wrong_scales(loss, accuracy, len(batches))
    last_loss, last_accuracy = averages(heads, batches[-1:])
    first_loss, first_accuracy = averages(heads, batches[:1])
    model = reader(heads)

    def others(change):
        with torch.no_grad():
            pairs = [change(outputs_and_labels(model, batch)) for batch in batches]
            return [
                sum(F.cross_entropy(*p[h]).item() for p in pairs) / len(batches)
                for h in range(heads)
            ]

    yield ("run_epoch reports its last batch, not the average over all", last_loss + last_accuracy)
    yield (
        "run_epoch reports the loss of its last batch, not the average over all",
        last_loss + accuracy,
    )
    yield (
        "run_epoch reports the accuracy of its last batch, not the average over all",
        loss + last_accuracy,
    )
    yield (
        "run_epoch reports its first batch, not the average over all",
        first_loss + first_accuracy,
    )
    yield (
        "the loss has a softmax before the cross-entropy, which has one of its own",
        others(lambda pairs: [(F.softmax(out, 1), y) for out, y in pairs]) + accuracy,
    )
    if heads == 2:
        yield from wrong_pairs(loss, accuracy, others, batches, model)


def wrong_scales(loss, accuracy, count):
    """The right averages, in the wrong order or wrongly divided; count: of batches."""
    yield ("run_epoch gives the accuracy first and the loss second", accuracy + loss)
    yield ("the loss is not averaged over the batches", [count * v for v in loss] + accuracy)
    yield ("the loss is not averaged over the examples", [EXAMPLES * v for v in loss] + accuracy)
    yield ("the loss is not averaged at all", [count * EXAMPLES * v for v in loss] + accuracy)
    yield ("the loss is averaged twice", [v / EXAMPLES for v in loss] + accuracy)
    yield ("the loss is averaged twice", [v / count for v in loss] + accuracy)
    yield ("the accuracy is not averaged over the batches", loss + [count * v for v in accuracy])
    yield (
        "the loss and the accuracy are not averaged over the batches",
        [count * v for v in loss + accuracy],
    )
    yield ("the accuracy is averaged twice", loss + [v / EXAMPLES for v in accuracy])
    yield ("the accuracy is averaged twice", loss + [v / count for v in accuracy])
    yield (
        "the accuracy counts examples in place of their share",
        loss + [count * EXAMPLES * v for v in accuracy],
    )
    yield ("the accuracy is in per cent, not between 0 and 1", loss + [100 * v for v in accuracy])
    yield ("the accuracy is the share of mistakes", loss + [1 - v for v in accuracy])


def wrong_pairs(loss, accuracy, others, batches, model):
    """What can be confused only where there are two heads."""
    with torch.no_grad():
        outs = [outputs_and_labels(model, batch) for batch in batches]
    cross = [
        sum((p[h][0].argmax(1) == p[1 - h][1]).float().mean().item() for p in outs) / len(outs)
        for h in (0, 1)
    ]
    swapped = others(lambda pairs: [(pairs[0][0], pairs[1][1]), (pairs[1][0], pairs[0][1])])
    yield (
        "run_epoch pairs each head's loss with its accuracy: ((loss1, loss2), (acc1, acc2)) is "
        "right",
        [loss[0], accuracy[0], loss[1], accuracy[1]],
    )
    yield ("the accuracy of the first head is given for both", loss + [accuracy[0]] * 2)
    yield ("the accuracy of the second head is given for both", loss + [accuracy[1]] * 2)
    yield ("the loss of the first head is given for both", [loss[0]] * 2 + accuracy)
    yield ("the loss of the second head is given for both", [loss[1]] * 2 + accuracy)
    yield ("the loss given for each head is the mean of the two", [sum(loss) / 2] * 2 + accuracy)
    yield ("the loss given for each head is the sum of the two", [sum(loss)] * 2 + accuracy)
    yield ("the losses are halved in the report", [v / 2 for v in loss] + accuracy)
    yield ("the two heads change places in the report", loss[::-1] + accuracy[::-1])
    yield ("the accuracies of the two heads change places", loss + accuracy[::-1])
    yield (
        "the second head's accuracy is counted against the first digit's labels",
        [*loss, accuracy[0], cross[1]],
    )
    yield (
        "the first head's accuracy is counted against the second digit's labels",
        [*loss, cross[0], accuracy[1]],
    )
    yield (
        "the second head's loss is taken against the first digit's labels",
        [loss[0], swapped[1], *accuracy],
    )
    yield (
        "the second head's loss and accuracy are taken against the first digit's labels",
        [loss[0], swapped[1], accuracy[0], cross[1]],
    )
    yield ("each head is compared with the other digit's labels", swapped + cross)
    yield ("the loss of each head is taken against the other digit's labels", swapped + accuracy)
    yield ("the accuracy of each head is counted against the other digit's labels", loss + cross)


def weights_after(run_epoch, heads, batches, passes, make=torch.optim.SGD, anew=False, **settings):
    """The weights after `passes` epochs of the learner's own run_epoch.

    A mistake in run_epoch has cost its points elsewhere: here only the optimizer counts.
    """
    model = reader(heads)
    optimizer = make(model.parameters(), **settings)
    for _ in range(passes):
        if anew:
            optimizer = make(model.parameters(), **settings)
        with blame("run_epoch in training"):
            run_epoch(batches, model.train(), optimizer)
    return weights(model)


def wrong_optimizers(run_epoch, heads, data, dev, chosen):
    """Pairs (words, weights after three epochs) of the ways in which learners get it wrong.

    chosen: the lr, momentum and nesterov that it was told.
    """
    for words, batches, passes in [
        ("train_model does not train: the weights are the same after it", data, 0),
        ("train_model makes one epoch too few", data, 2),
        ("train_model makes one epoch too many", data, 4),
        ("train_model makes only one epoch", data, 1),
        ("train_model makes 30 epochs whatever n_epochs says", data, 30),
        ("train_model trains on the dev data as well", data + dev, 3),
        ("train_model trains on the dev data", dev, 3),
    ]:
        yield words, weights_after(run_epoch, heads, batches, passes, **chosen)
    adam = "train_model minimises with Adam, not SGD, so momentum means nothing"
    ways = [
        *(("train_model ignores lr", {**chosen, "lr": rate}) for rate in (0.01, 0.1, 0.001)),
        ("train_model ignores momentum", {"lr": chosen["lr"]}),
        ("train_model ignores momentum", {**chosen, "momentum": 0.9}),
        ("train_model ignores lr and momentum", {"lr": 0.01, "momentum": 0.9}),
        (adam, {"make": torch.optim.Adam, "lr": chosen["lr"]}),
        (adam, {"make": torch.optim.Adam}),
        (
            "train_model makes a new optimizer in every epoch, which forgets the momentum",
            {**chosen, "anew": True},
        ),
        ("train_model adds weight decay that nobody asked for", {**chosen, "weight_decay": 0.01}),
    ]
    if chosen["momentum"]:
        nesterov = chosen.get("nesterov", False)
        words = f"train_model ignores nesterov={nesterov}"
        ways.append((words, {**chosen, "nesterov": not nesterov}))
    for words, settings in ways:
        yield words, weights_after(run_epoch, heads, data, 3, **settings)
