"""The contract of train_utils.py: batches, accuracy, one epoch, training.

In the course there are two files of this name, for one digit and for two. A file that does either
right gets all points; one that does both has to do both right.
"""

from tests.contract import epochs
from tests.grading.judge import (
    Mistake,
    blame,
    check,
    close,
    common_mistake,
    describe,
    first_difference,
    get,
    known_mistake,
    number,
    numbers,
    remark,
    show,
    sides,
    size,
)

import numpy as np
import pytest
import torch
from torch import nn

FILE = "train_utils.py"
TOLERANCES = {"relative": 1e-4, "absolute": 1e-5}  # of weights and averages in float32
HEADS = {1: "one digit", 2: "two digits"}


def run(module, data, model, optimizer):
    """run_epoch's answer as flat numbers: [loss, accuracy], or two losses and two accuracies."""
    answer = get(module, "run_epoch", FILE)(data, model, optimizer)
    what = "what run_epoch returns"
    check(
        isinstance(answer, (tuple, list)) and len(answer) == 2,
        f"{what} is not a pair of loss and accuracy",
    )
    right = 2 * model.heads
    flat = numbers(answer, what)
    check(len(flat) == right, f"{what} holds {len(flat)} numbers where {right} are right")
    return flat


def offered(module):
    """The numbers of heads that run_epoch reads: [1], [2] or [1, 2]. Raises Mistake for none."""
    function = get(module, "run_epoch", FILE)
    heads, errors = [], []
    for count in (1, 2):
        for training in (True, False):
            model = epochs.reader(count).train(training)
            try:
                function(epochs.examples(count), model, epochs.sgd(model))
            except Exception as error:
                errors.append(describe(error))
            else:
                heads.append(count)
                break
    check(heads, f"run_epoch ends with {errors[0] if errors else 'an error'}")
    return heads


@pytest.mark.points(2)
def test_flatten(module):
    """Flatten turns (N, ...) into (N, everything)"""
    with blame("Flatten()"):
        layer = get(module, "Flatten", FILE)()
    for shape in [(6, 1, 4, 3), (1, 2, 2), (3, 5)]:
        x = torch.arange(float(np.prod(shape))).reshape(shape)
        with blame(f"Flatten() of a {sides(shape)} tensor"):
            got = nn.Sequential(layer)(x)
        right = (shape[0], int(np.prod(shape[1:])))
        check(
            size(got) == right,
            f"Flatten makes {sides(size(got))} of {sides(shape)} where {sides(right)} is right",
        )
        check(numbers(got, "Flatten's output") == numbers(x, "x"), "Flatten changes the order")


def batches_of(module, count, heads, batch_size, as_lists=False):
    """batchify_data on `count` examples whose label tells which picture it belongs to."""
    x = np.arange(count * 6, dtype=np.float64).reshape(count, 2, 3) / 8
    first = np.arange(count) + 100
    second = np.arange(count) + 500
    y = first if heads == 1 else [first, second]
    if as_lists:
        x = list(x)
        y = first.tolist() if heads == 1 else [first.tolist(), second.tolist()]
    kind = HEADS[heads] + (", lists in place of arrays" if as_lists else "")
    with blame(f"batchify_data ({kind})"):
        batches = list(get(module, "batchify_data", FILE)(x, y, batch_size))
        for batch in batches:
            check("x" in batch and "y" in batch, "a batch has no 'x' and 'y'")
    return batches


def check_batch(batch, heads, batch_size):
    """The places of the examples in a batch. Raises Mistake if pictures and labels part."""
    x, y = batch["x"], batch["y"]
    check(isinstance(x, torch.Tensor), f"a batch's 'x' is a {type(x).__name__}, not a tensor")
    check(x.dtype == torch.float32, f"a batch's 'x' is {x.dtype} where torch.float32 is right")
    check(
        size(x) == (batch_size, 2, 3),
        f"a batch's 'x' is {sides(size(x))} where {batch_size} x 2 x 3 is right",
    )
    places = [round((row[0] * 8) / 6) for row in x.reshape(batch_size, -1).tolist()]
    rows = [y] if heads == 1 else list(y)
    check(
        len(rows) == heads, f"a batch's 'y' has {len(rows)} rows where 2 are right: one per digit"
    )
    for row, start in zip(rows, (100, 500), strict=False):
        check(isinstance(row, torch.Tensor), "a batch's 'y' holds no tensors")
        check(row.dtype == torch.int64, f"a batch's 'y' is {row.dtype} where torch.int64 is right")
        check(
            size(row) == (batch_size,),
            f"a batch's 'y' is {sides(size(row))} where {batch_size} labels are right",
        )
        right = [place + start for place in places]
        got = row.tolist()
        place = first_difference(got, right)
        if place is not None and start == 500 and got == [p + 100 for p in places]:
            raise Mistake(
                f"the second row of labels is the first digit's again: {got[place]} where "
                f"{right[place]} is right"
            )
        check(
            place is None,
            "pictures and labels do not belong together: a picture with label "
            f"{right[place or 0]} comes with label {got[place or 0]}",
        )
    return places


def slices_the_pair(batches):
    """Whether this is the course's file for one digit, which cuts a pair of labels by its rows."""
    return bool(batches) and size(batches[0]["y"]) == (2, 7)


def check_batches(module, heads):
    for as_lists in (False, True):
        batches = batches_of(module, 7, heads, 3, as_lists)
        if heads == 2 and slices_the_pair(batches):
            return "reads one digit only"
        places = [p for batch in batches[:2] for p in check_batch(batch, heads, 3)]
        check(len(set(places)) == len(places), f"batchify_data uses picture {places[-1]} twice")
        check(
            len(batches) >= 2,
            f"batchify_data makes {len(batches)} batches of 3 from 7 examples where 2 are right",
        )
        even = batches_of(module, 6, heads, 3, as_lists)
        check(
            len(even) == 2,
            f"batchify_data makes {len(even)} batches of 3 from 6 examples where 2 are right",
        )
        all_places = sorted(p for batch in even for p in check_batch(batch, heads, 3))
        check(all_places == list(range(6)), f"batchify_data uses the pictures {all_places} of 6")
    return ""


def for_each_kind(module, checks, kinds=(1, 2)):
    """Runs a check for one digit and for two; one of them may end with an error, not both.

    An exception says 'this file is for the other exercise', a Mistake says 'this is wrong'.
    """
    errors = {}
    for heads in kinds:
        try:
            errors[heads] = checks(module, heads)
        except Mistake as mistake:
            if mistake.__cause__ is None:
                raise Mistake(f"{mistake} ({HEADS[heads]})") from None
            errors[heads] = str(mistake)
    check("" in errors.values(), next(iter(errors.values())))
    for heads, error in errors.items():
        if error:
            remark(f"train_utils.py does not read {HEADS[heads]}")


@pytest.mark.points(4)
def test_batches(module):
    """batchify_data groups pictures and labels into batches of float32 and int64 tensors"""
    for_each_kind(module, check_batches)


@pytest.mark.points(1)
def test_short_batch(module):
    """batchify_data drops the short last batch"""

    def one_kind(module, heads):
        batches = batches_of(module, 7, heads, 3)
        if heads == 2 and slices_the_pair(batches):
            return "reads one digit only"
        check(
            len(batches) != 3,
            "the short last batch is kept: 3 batches where 7 examples make 2 of 3",
        )
        check(len(batches) == 2, f"7 examples make {len(batches)} batches of 3 where 2 are right")
        return ""

    for_each_kind(module, one_kind)


@pytest.mark.points(2)
def test_accuracy(module):
    """compute_accuracy is the share of predictions that are right, between 0 and 1"""
    y = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6])
    for wrong in (2, 0, 8):
        predictions = y.clone()
        predictions[:wrong] = (y[:wrong] + 1) % 10
        with blame("compute_accuracy"):
            answer = get(module, "compute_accuracy", FILE)(predictions, y)
        got, right = number(answer, "what compute_accuracy returns"), (8 - wrong) / 8
        words = known_mistake(
            [got],
            [
                ("it counts the right ones: ", [8.0 - wrong]),
                ("it is in per cent: ", [100 * right]),
                ("it is the share of mistakes: ", [1 - right]),
                ("it counts the mistakes: ", [wrong]),
                ("it is 1 only if all are right: ", [float(wrong == 0)]),
                ("it is cut off to a whole number: ", [float(int(right))]),
            ],
        )
        check(
            close(got, right),
            f"{words}compute_accuracy of {8 - wrong} right out of 8 is {show(got)} where "
            f"{show(right)} is right",
        )


@pytest.mark.points(4)
def test_training(module):
    """run_epoch takes one step of the optimizer down the mean loss for each batch"""
    for heads in offered(module):
        gots, sets = [], [epochs.examples(heads, 1), epochs.examples(heads, 3)]
        for data in sets:
            model = epochs.reader(heads).train()
            with blame("run_epoch in training"):
                run(module, data, model, epochs.sgd(model))
            gots.append(epochs.weights(model))
        for data, got in zip(sets, gots, strict=True):
            right = epochs.trained(heads, data)
            place = first_difference(got, right, **TOLERANCES)
            if place is None:
                continue
            wrong = [list(epochs.wrong_epochs(heads, each)) for each in sets]
            words = common_mistake(gots, wrong, **TOLERANCES) or "run_epoch trains wrongly"
            batches = "one batch" if len(data) == 1 else f"{len(data)} batches"
            check(
                False,
                f"{words}: after an epoch of {batches} of {HEADS[heads]} weight {place} is "
                f"{show(got[place])} where {show(right[place])} is right",
            )


class WithDropout(epochs.Reader):
    """Counts in which mode it is called and what it would drop."""

    def forward(self, x):
        return super().forward(nn.functional.dropout(x, 0.5, self.training))


class TwoWithDropout(epochs.TwoReaders):
    def forward(self, x):
        return super().forward(nn.functional.dropout(x, 0.5, self.training))


@pytest.mark.points(4)
def test_evaluation(module):
    """run_epoch only evaluates a model in eval mode, and trains one in training mode"""
    for heads in offered(module):
        for with_optimizer in (True, False):
            model = (WithDropout() if heads == 1 else TwoWithDropout()).eval()
            before, data = epochs.weights(model), epochs.examples(heads)
            optimizer = epochs.sgd(model) if with_optimizer else None
            with blame(f"run_epoch in eval mode with optimizer {'given' if optimizer else 'None'}"):
                run(module, data, model, optimizer)
            modes = [training for training, *_ in model.diary]
            check(
                not any(modes),
                "run_epoch puts the model into training mode by itself: dropout works while it "
                "evaluates",
            )
            place = first_difference(epochs.weights(model), before)
            check(
                place is None,
                f"run_epoch trains in eval mode: weight {place} is "
                f"{show(epochs.weights(model)[place or 0])} where {show(before[place or 0])} was "
                "before",
            )
        model = (WithDropout() if heads == 1 else TwoWithDropout()).train()
        with blame("run_epoch in training"):
            run(module, epochs.examples(heads), model, epochs.sgd(model))
        check(
            all(training for training, *_ in model.diary),
            "run_epoch puts a model that is in training mode into eval mode: dropout never works",
        )


@pytest.mark.points(3)
def test_averages(module):
    """run_epoch gives the mean loss and the mean accuracy of all batches"""
    for heads in offered(module):
        for training in (False, True):
            data, model = epochs.examples(heads), epochs.reader(heads).train(training)
            with blame("run_epoch"):
                got = run(module, data, model, epochs.sgd(model, rate=0.0))
            loss, accuracy = epochs.averages(heads, data)
            right = loss + accuracy
            place = first_difference(got, right, **TOLERANCES)
            if place is None:
                continue
            words = known_mistake(got, epochs.wrong_averages(heads, data), **TOLERANCES)
            names = (
                ["loss", "accuracy"]
                if heads == 1
                else ["loss 1", "loss 2", "accuracy 1", "accuracy 2"]
            )
            check(
                False,
                f"{words or 'run_epoch reports wrong averages'}: {names[place]} is "
                f"{show(got[place])} where {show(right[place])} is right",
            )


def train(module, heads, train_data, dev_data, **settings):
    model = epochs.reader(heads)
    listed = ", ".join(f"{name}={value}" for name, value in settings.items())
    with blame(f"train_model(train_data, dev_data, model, {listed})"):
        answer = get(module, "train_model", FILE)(train_data, dev_data, model, **settings)
    return model, answer


@pytest.mark.points(2)
def test_train_model_passes(module):
    """train_model trains n_epochs times on the training data, and only evaluates the dev data"""
    for heads in offered(module):
        data, dev = epochs.examples(heads, 5)[:3], epochs.examples(heads, 5)[3:]
        dev_inputs = [batch["x"] for batch in dev]
        model, _ = train(module, heads, data, dev, lr=0.1, momentum=0.0, n_epochs=4)
        is_dev = [any(torch.equal(x, d) for d in dev_inputs) for _, x, _ in model.diary]
        entries = list(zip((training for training, *_ in model.diary), is_dev, strict=True))
        on_dev = entries.count((True, True))
        check(
            on_dev == 0,
            "train_model is in training mode while it evaluates the dev data: model.eval() is "
            f"missing ({on_dev} dev batches, where 0 are right)",
        )
        quiet = entries.count((False, False))
        steps = entries.count((True, False))
        check(
            steps > 0 or quiet == 0,
            f"train_model trains in eval mode: model.train() is missing ({quiet} batches of "
            "training data in eval mode)",
        )
        check(
            steps == 12,
            f"train_model passes {steps} batches of training data in training mode where 12 are "
            "right: 3 batches, 4 epochs",
        )
        check((False, True) in entries, "train_model never evaluates the dev data")


@pytest.mark.points(3)
def test_train_model_optimizer(module):
    """train_model minimises with SGD at the lr, momentum and nesterov that it is given"""
    # The same batch twice in an epoch: the momentum shows in the second step, and no order matters.
    settings = [
        {"lr": 0.1, "momentum": 0.0},
        {"lr": 0.05, "momentum": 0.9},
        {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    ]
    run_epoch = get(module, "run_epoch", FILE)
    for heads in offered(module)[:1]:
        data, dev = epochs.examples(heads, 2)[:1] * 2, epochs.examples(heads, 2)[1:]
        for chosen in settings:
            model, _ = train(module, heads, data, dev, **chosen, n_epochs=3)
            got = epochs.weights(model)
            right = epochs.weights_after(run_epoch, heads, data, 3, **chosen)
            place = first_difference(got, right, **TOLERANCES)
            if place is None:
                continue
            words = known_mistake(
                got, epochs.wrong_optimizers(run_epoch, heads, data, dev, chosen), **TOLERANCES
            )
            listed = ", ".join(f"{name}={value}" for name, value in chosen.items())
            check(
                False,
                f"{words or 'train_model does not minimise with the SGD it is told'} ({listed}): "
                f"weight {place} is {show(got[place])} where {show(right[place])} is right",
            )


@pytest.mark.points(1)
def test_train_model_answer(module):
    """train_model returns the accuracy on the dev data"""
    for heads in offered(module)[:1]:
        data, dev = epochs.examples(heads, 5)[:2], epochs.examples(heads, 5)[2:]
        model, answer = train(module, heads, data, dev, lr=0.5, momentum=0.0, n_epochs=6)
        if answer is None:  # the course's first version returned nothing
            remark("train_model returns nothing; the accuracy on the dev data would be of use")
            continue
        right, on_train = shares(model, dev), shares(model, data)
        for got in numbers(answer, "what train_model returns"):
            words = ""
            if any(close(got, 100 * share, 1e-3) for share in right if share):
                words = "it is in per cent: "
            elif any(close(got, share, 1e-3) for share in on_train):
                words = "it is the accuracy on the training data: "
            check(
                any(close(got, share, 1e-3, 1e-4) for share in right),
                f"{words}train_model returns {show(got)} where {show(right[-1])}, the accuracy on "
                "the dev data, is right",
            )


def shares(model, batches):
    """What each pass over `batches` got right, by the diary: the mean of the heads, and each."""
    labels = {id_of(batch["x"]): batch["y"].reshape(model.heads, -1) for batch in batches}
    rows = [
        [(p == y).float().mean().item() for p, y in zip(predictions, labels[id_of(x)], strict=True)]
        for _, x, predictions in model.diary
        if id_of(x) in labels
    ]
    passes = [rows[i : i + len(batches)] for i in range(0, len(rows), len(batches))]
    heads = [sum(row[h] for row in rows) / len(rows) for rows in passes for h in range(model.heads)]
    both = [sum(sum(row) for row in rows) / len(rows) / model.heads for rows in passes]
    return [*both, *heads]


def id_of(x):
    return tuple(x.flatten().tolist())
