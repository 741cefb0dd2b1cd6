"""One epoch in plain PyTorch, done right and in all ways known to be wrong, on a tiny reader.

The contract tests of train_utils.py compare weights after a step and averages after an epoch with
what is worked out here by torch.autograd. Nothing in here comes from the module under test.
"""

import math

from tests.grading.judge import Mistake, close, common_mistake, describe, first_difference, show
from tests.grading.readers import CLASSES, FEATURES, Reader, TwoReaders, reader, weights

import numpy as np
import torch
import torch.nn.functional as F

__all__ = ["CLASSES", "FEATURES", "Reader", "TwoReaders", "reader", "weights"]  # for exercises

BATCHES, EXAMPLES = 3, 5  # small, and no two numbers the same
RATE = 0.5
TOLERANCES = {"relative": 1e-4, "absolute": 1e-5}  # of weights and averages in float32
HEADS = {1: "one digit", 2: "two digits"}


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
    """Pairs (key, function of the (output, labels) pairs -> loss) that learners minimise."""

    def changed(change):
        return lambda pairs: right_loss([change(out, y) for out, y in pairs])

    def one_hot(y):
        return F.one_hot(y, CLASSES).float()

    yield "up", lambda pairs: -right_loss(pairs)
    yield "loss_summed", lambda pairs: EXAMPLES * right_loss(pairs)
    yield "loss_half", lambda pairs: right_loss(pairs) / 2
    yield "softmax_first", changed(lambda out, y: (F.softmax(out, 1), y))
    yield "sigmoid_first", changed(lambda out, y: (torch.sigmoid(out), y))
    yield "nll", lambda pairs: sum(F.nll_loss(out, y) for out, y in pairs) / len(pairs)
    for outputs in (lambda out: out.softmax(1), lambda out: out):
        yield (
            "squares",
            lambda pairs, f=outputs: (
                sum(F.mse_loss(f(out), one_hot(y)) for out, y in pairs) / len(pairs)
            ),
        )
    for share in (0.1, 0.05, 0.2):
        yield (
            "smoothed",
            lambda pairs, s=share: (
                sum(F.cross_entropy(out, y, label_smoothing=s) for out, y in pairs) / len(pairs)
            ),
        )
    yield "hinge", lambda pairs: sum(F.multi_margin_loss(*pair) for pair in pairs) / len(pairs)
    for turn in (
        lambda y: 9 - y,
        lambda y: y.flip(0),
        lambda y: (y + 1) % 10,
        lambda y: y.sort()[0],
    ):
        yield "labels_turned", changed(lambda out, y, f=turn: (out, f(y)))
    if heads == 1:
        return
    cross = F.cross_entropy
    yield "heads_summed", lambda pairs: 2 * right_loss(pairs)
    for factor in (1, 0.5):
        yield "first_head", lambda pairs, f=factor: f * cross(*pairs[0])
        yield "second_head", lambda pairs, f=factor: f * cross(*pairs[1])
    for factor in (1, 2):
        for key, first, second in (
            ("second_on_first", 0, 0),
            ("first_on_second", 1, 1),
            ("heads_crossed", 1, 0),
        ):
            yield (
                key,
                lambda pairs, f=factor, a=first, b=second: (
                    f * right_loss([(pairs[0][0], pairs[a][1]), (pairs[1][0], pairs[b][1])])
                ),
            )


def sgd(model, rate=RATE):
    """With momentum: without it two steps on one gradient are one step on its double."""
    return torch.optim.SGD(model.parameters(), lr=rate, momentum=0.5)


def trained(heads, batches, loss=right_loss, accumulate=False, steps=1, decay=1, clip=math.inf):
    """The weights after one epoch on `batches`."""
    model = reader(heads)
    optimizer = sgd(model)
    for batch in batches:
        if not accumulate:
            optimizer.zero_grad()
        loss(outputs_and_labels(model, batch)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        for _ in range(steps):
            optimizer.step()
        optimizer.param_groups[0]["lr"] *= decay
    return weights(model)


def wrong_epochs(heads, batches):
    """Pairs (Mistake, weights after an epoch) of the ways in which learners get it wrong."""
    yield Mistake("trains_not"), weights(reader(heads))
    yield Mistake("no_zero_grad"), trained(heads, batches, accumulate=True)
    yield Mistake("two_steps"), trained(heads, batches, steps=2)
    yield Mistake("one_step"), trained(heads, batches[-1:])
    yield Mistake("first_batch"), trained(heads, batches[:1])
    yield Mistake("no_last"), trained(heads, batches[:-1])
    yield Mistake("no_first"), trained(heads, batches[1:])
    for decay in (0.5, 0.9, 0.1, 0.99):
        yield Mistake("rate_decays"), trained(heads, batches, decay=decay)
    for clip in (0.01, 0.1, 0.5, 1.0):
        yield Mistake("clips"), trained(heads, batches, clip=clip)
    for key, loss in wrong_losses(heads):
        yield Mistake(key), trained(heads, batches, loss=loss)
        both = Mistake(key, also="; and optimizer.zero_grad() is missing")
        yield both, trained(heads, batches, loss=loss, accumulate=True)


def epoch_mistake(heads, sets, gots):
    """The Mistake in run_epoch's steps, or None. gots: the weights after an epoch of each set."""
    rights = [trained(heads, data) for data in sets]
    for data, got, right in zip(sets, gots, rights, strict=True):
        place = first_difference(got, right, **TOLERANCES)
        if place is None:
            continue
        wrong = [list(wrong_epochs(heads, each)) for each in sets]
        mistake = common_mistake(gots, wrong, **TOLERANCES)
        if mistake is None:
            start = weights(reader(heads))
            moves = [[a - b for a, b in zip(each, start, strict=True)] for each in gots]
            right_moves = [[a - b for a, b in zip(each, start, strict=True)] for each in rights]
            names = [f"weight {number}" for number in range(len(start))]
            how = describe(moves, right_moves, names, relative=1e-3, absolute=1e-5)
            mistake = Mistake("trains_wrongly", how=how)
        batches = "one batch" if len(data) == 1 else f"{len(data)} batches"
        return mistake.saying(
            f"after an epoch of {batches} of {HEADS[heads]} weight {place} is {show(got[place])} "
            f"where {show(right[place])} is right"
        )
    return None


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


def averages_mistake(heads, batches, got):
    """The Mistake in what run_epoch reports, [losses..., accuracies...], or None."""
    loss, accuracy = averages(heads, batches)
    right = loss + accuracy
    place = first_difference(got, right, **TOLERANCES)
    if place is None:
        return None
    candidates = [(Mistake(key), values) for key, values in wrong_averages(heads, batches)]
    mistake = common_mistake([got], [candidates], **TOLERANCES) or Mistake("averages")
    names = ["loss", "accuracy"] if heads == 1 else ["loss 1", "loss 2", "accuracy 1", "accuracy 2"]
    return mistake.saying(
        f"{names[place]} is {show(got[place])} where {show(right[place])} is right"
    )


def wrong_averages(heads, batches):
    """Pairs (key, [losses..., accuracies...]) of the ways in which learners report an epoch."""
    loss, accuracy = averages(heads, batches)
    last_loss, last_accuracy = averages(heads, batches[-1:])
    first_loss, first_accuracy = averages(heads, batches[:1])
    yield from wrong_scales(loss, accuracy, len(batches))
    yield "last_both", last_loss + last_accuracy
    yield "last_loss", last_loss + accuracy
    yield "last_accuracy", loss + last_accuracy
    yield "first_both", first_loss + first_accuracy
    most_loss, most_accuracy = averages(heads, batches[:-1])
    yield "all_but_last", most_loss + most_accuracy
    for key, change in wrong_losses(heads):
        values = loss_with(change, heads, batches)
        if heads == 1 and key != "up":
            yield key, values + accuracy
            yield key, values + first_accuracy
    yield "softmax_reported", reported(heads, batches, lambda o, y: (F.softmax(o, 1), y)) + accuracy
    if heads == 2:
        yield from wrong_pairs(loss, accuracy, batches)


def loss_with(loss, heads, batches):
    """[mean of a loss over the batches]"""
    model = reader(heads)
    with torch.no_grad():
        values = [float(loss(outputs_and_labels(model, batch))) for batch in batches]
    return [sum(values) / len(values)]


def reported(heads, batches, change):
    """The loss of each head, of changed outputs and labels."""
    model = reader(heads)
    with torch.no_grad():
        pairs = [[change(*pair) for pair in outputs_and_labels(model, batch)] for batch in batches]
    return [sum(F.cross_entropy(*p[h]).item() for p in pairs) / len(batches) for h in range(heads)]


def wrong_scales(loss, accuracy, count):
    """The right averages, in the wrong order or wrongly divided; count: of batches."""
    yield "accuracy_first", accuracy + loss
    yield "loss_over_batches", [count * v for v in loss] + accuracy
    yield "loss_over_examples", [EXAMPLES * v for v in loss] + accuracy
    yield "loss_at_all", [count * EXAMPLES * v for v in loss] + accuracy
    for divisor in (EXAMPLES, count):
        yield "loss_averaged_twice", [v / divisor for v in loss] + accuracy
        yield "accuracy_averaged_twice", loss + [v / divisor for v in accuracy]
    yield "accuracy_over_batches", loss + [count * v for v in accuracy]
    yield "both_over_batches", [count * v for v in loss + accuracy]
    yield "accuracy_examples", loss + [count * EXAMPLES * v for v in accuracy]
    yield "accuracy_in_percent", loss + [100 * v for v in accuracy]
    yield "accuracy_of_mistakes", loss + [1 - v for v in accuracy]


def wrong_pairs(loss, accuracy, batches):
    """What can be confused only where there are two heads."""
    model = reader(2)
    with torch.no_grad():
        outs = [outputs_and_labels(model, batch) for batch in batches]
    cross, swapped = [], []
    for h in (0, 1):
        pairs = [(p[h][0], p[1 - h][1]) for p in outs]
        shares = [(out.argmax(1) == y).float().mean().item() for out, y in pairs]
        cross.append(sum(shares) / len(outs))
        swapped.append(sum(F.cross_entropy(*pair).item() for pair in pairs) / len(outs))
    yield "pairs_by_head", [loss[0], accuracy[0], loss[1], accuracy[1]]
    yield "accuracy_first_twice", loss + [accuracy[0]] * 2
    yield "accuracy_second_twice", loss + [accuracy[1]] * 2
    yield "loss_first_twice", [loss[0]] * 2 + accuracy
    yield "loss_second_twice", [loss[1]] * 2 + accuracy
    yield "loss_mean_twice", [sum(loss) / 2] * 2 + accuracy
    yield "loss_sum_twice", [sum(loss)] * 2 + accuracy
    yield "losses_halved", [v / 2 for v in loss] + accuracy
    yield "heads_change_places", loss[::-1] + accuracy[::-1]
    yield "accuracies_change_places", loss + accuracy[::-1]
    yield "accuracy_second_by_first", [*loss, accuracy[0], cross[1]]
    yield "accuracy_first_by_second", [*loss, cross[0], accuracy[1]]
    yield "loss_second_by_first", [loss[0], swapped[1], *accuracy]
    yield "both_second_by_first", [loss[0], swapped[1], accuracy[0], cross[1]]
    yield "heads_by_others", swapped + cross
    yield "losses_by_others", swapped + accuracy
    yield "accuracies_by_others", loss + cross


def weights_after(
    heads, batches, passes, make=torch.optim.SGD, anew=False, last=0, restart=False, **settings
):
    """The weights after `passes` right epochs with an optimizer of these settings."""
    model = reader(heads)
    parameters = list(model.parameters())[-last:]
    optimizer = make(parameters, **settings)
    for _ in range(passes):
        if anew:
            optimizer = make(parameters, **settings)
        if restart:
            for parameter in model.parameters():
                torch.nn.init.constant_(parameter, restart)
        for batch in batches:
            model.zero_grad()
            right_loss(outputs_and_labels(model, batch)).backward()
            optimizer.step()
    return weights(model)


def wrong_optimizers(heads, data, dev, passes, chosen):
    """Pairs (Mistake, weights after `passes` epochs) of the ways in which learners get it wrong.

    chosen: the lr, momentum and nesterov that it was told.
    """
    for key, batches, count in [
        ("model_not", data, 0),
        ("epoch_few", data, passes - 1),
        ("epoch_many", data, passes + 1),
        ("epoch_one", data, 1),
        ("epoch_30", data, 30),
        ("trains_on_dev_too", data + dev, passes),
        ("trains_on_dev", dev, passes),
    ]:
        yield Mistake(key), weights_after(heads, batches, count, **chosen)
    ways = [
        *(("ignores_lr", {**chosen, "lr": rate}) for rate in (0.01, 0.1, 0.001)),
        ("ignores_momentum", {"lr": chosen["lr"]}),
        ("ignores_momentum", {**chosen, "momentum": 0.9}),
        ("half_momentum", {**chosen, "momentum": chosen["momentum"] / 2}),
        ("ignores_both", {"lr": 0.01, "momentum": 0.9}),
        ("adam", {"make": torch.optim.Adam, "lr": chosen["lr"]}),
        ("adam", {"make": torch.optim.Adam}),
        ("new_optimizer", {**chosen, "anew": True}),
        *(("decay", {**chosen, "weight_decay": d}) for d in (0.01, 0.1, 0.001, 1e-4)),
        *(("last_layer", {**chosen, "last": count}) for count in (1, 2, 3)),
        *(("restarts", {**chosen, "restart": value}) for value in (0.01, 0.1)),
    ]
    if not chosen["momentum"]:
        ways = [way for way in ways if way[0] != "half_momentum" and "nesterov" not in way[1]]
    if chosen["momentum"]:
        nesterov = chosen.get("nesterov", False)
        ways.append(("ignores_nesterov", {**chosen, "nesterov": not nesterov}))
    for key, settings in ways:
        name = chosen.get("nesterov", False)
        yield Mistake(key, name=name), weights_after(heads, data, passes, **settings)


def optimizer_mistake(heads, data, dev, passes, chosen, got):
    """The Mistake in train_model's weights, or None."""
    right = weights_after(heads, data, passes, **chosen)
    place = first_difference(got, right, **TOLERANCES)
    if place is None:
        return None
    candidates = list(wrong_optimizers(heads, data, dev, passes, chosen))
    mistake = common_mistake([got], [candidates], **TOLERANCES)
    if mistake is None:
        names = [f"weight {number}" for number in range(len(got))]
        start = weights(reader(heads))
        moves = [[a - b for a, b in zip(each, start, strict=True)] for each in (got, right)]
        mistake = Mistake("optimizer", how=describe([moves[0]], [moves[1]], names, **TOLERANCES))
    listed = ", ".join(f"{name}={value}" for name, value in chosen.items())
    return mistake.saying(
        f"with {listed} weight {place} is {show(got[place])} where {show(right[place])} is right"
    )


ORDER = [3, 0, 5, 1, 6, 2, 4]  # of the labels of seven pictures: none is where sorting puts it


def numbered(count, heads):
    """(x (count, 2, 3), y (count,) or (2, count)): pictures whose numbers and labels tell them."""
    x = np.arange(count * 6, dtype=np.float64).reshape(count, 2, 3) / 8 + 0.01
    first = np.array(ORDER[:count]) + 100
    return x, first if heads == 1 else np.stack([first, first + 400])


def picture_numbers(x):
    """The number of each picture of a batch, (B, 6)."""
    return [round(row[0] * 8 / 6) for row in x]


def batch_mistake(x, y):
    """The Mistake in a batch of `numbered` examples, or None. x: (B, 6); y: B labels per head."""
    numbers = picture_numbers(x)
    for place, (got, number) in enumerate(zip(x, numbers, strict=True)):
        if not close(got, pixels_of(number), 1e-6, 1e-6):
            label = int(y[0][place]) - 100
            how = how_pixels(got, ORDER.index(label) if label in ORDER else place)
            text = f"picture {place} of a batch begins {', '.join(map(show, got[:3]))}"
            return Mistake("pixels", text, how=how)
    for row, offset in zip(y, (100, 500), strict=False):
        right = [ORDER[number % len(ORDER)] + offset for number in numbers]
        place = first_difference(row, right)
        if place is None:
            continue
        text = f"a picture with label {right[place]} comes with label {show(row[place])}"
        if offset == 500 and row == [label - 400 for label in right]:
            return Mistake("second_labels", text)
        if sorted(row) == sorted(right):
            how = "shuffled"
            how = "reversed" if row[::-1] == right else how
            how = "sorted" if row == sorted(row) else how
            return Mistake("labels_order", text, how=how)
        return Mistake("labels_other", text)
    return None


def pixels_of(number):
    return [(6 * number + k) / 8 + 0.01 for k in range(6)]


def how_pixels(got, number):
    """Words for pixels that are no picture's: what was done to those of the picture `number`."""
    right = pixels_of(number)
    for words, values in (
        ("reversed", right[::-1]),
        ("mirrored", [*right[2::-1], *right[:2:-1]]),
        ("upside down", right[3:] + right[:3]),
        ("times 255", [255 * v for v in right]),
        ("divided by 255", [v / 255 for v in right]),
        ("cut off to whole numbers", [float(int(v)) for v in right]),
        ("cut off at 1", [min(1, v) for v in right]),
        ("cut off at 0.5", [min(0.5, v) for v in right]),
    ):
        if close(got, values, 1e-5, 1e-5):
            return words
    return "rounded" if close(got, right, 1e-2, 1e-2) else "changed"
