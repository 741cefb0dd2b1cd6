"""The contract of train_utils.py: batches, accuracy, one epoch, training.

In the course there are two files of this name, for one digit and for two. A file that does either
right gets all points; one that does both has to do both right.
"""

from tests.contract import epochs
from tests.contract.epochs import HEADS
from tests.grading.judge import Mistake, check, close, number, numbers, show, sides

import numpy as np
import pytest
import torch

LABELS = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])


def plain(data):
    """Batches as arrays, for the submission's process."""
    return [{"x": batch["x"].numpy(), "y": batch["y"].numpy()} for batch in data]


def run(player, heads, data, training, rate=epochs.RATE, **more):
    """run_epoch's {"answer", "weights", "modes"}."""
    inputs = {"heads": heads, "data": plain(data), "training": training, "rate": rate}
    return player.ask("epoch", **inputs, **more)


def offered(player):
    """The numbers of heads that run_epoch reads: [1], [2] or [1, 2]. Raises Mistake for none."""
    heads, errors = [], []
    for count in (1, 2):
        for training in (True, False):
            try:
                run(player, count, epochs.examples(count), training)
            except Mistake as mistake:
                if mistake.key != "raises":
                    raise
                errors.append(mistake)
            else:
                heads.append(count)
                break
    if not heads:
        raise errors[0]
    return heads


@pytest.mark.points(2)
def test_flatten(player):
    """Flatten turns (N, ...) into (N, everything)"""
    shapes = [(6, 1, 4, 3), (1, 2, 2), (3, 5), (2, 1, 3, 3)]
    for shape, answer in zip(shapes, player.ask("flatten", shapes=shapes), strict=True):
        right = [shape[0], int(np.prod(shape[1:]))]
        text = (
            f"Flatten makes {sides(answer['size'])} of {sides(shape)} where {sides(right)} is right"
        )
        check(answer["size"] == right, "flatten_shape", text)
        got = numbers(answer, "Flatten's output")
        check(got == list(range(len(got))), "flatten_order")


def batches_of(player, count, heads, batch_size, as_lists=False):
    """batchify_data on `count` examples whose label tells which picture it belongs to."""
    x, y = epochs.numbered(count, heads)
    batches = player.ask("batches", x=x, y=y, batch_size=batch_size, as_lists=as_lists)
    check(batches is not None, "batch_keys")
    return batches


def check_batch(batch, heads, batch_size):
    """The numbers of the pictures in a batch. Raises Mistake for what is wrong in it."""
    x, rows = batch["x"], batch["y"]
    check(x["dtype"], "x_kind", f"it is a {x['type']}")
    check(x["dtype"] == "torch.float32", "x_type", name=x["dtype"])
    right = [batch_size, 2, 3]
    text = f"a batch's 'x' is {sides(x['size'])} where {sides(right)} is right"
    check(x["size"] == right, "x_shape", text)
    size = sides(batch["y_size"])
    text = f"a batch's 'y' is {size} where 2 x {batch_size} is right"
    check(len(rows) == heads, "y_rows", text)
    for row in rows:
        check(row["dtype"], "y_kind")
        check(row["dtype"] == "torch.int64", "y_type", name=row["dtype"])
        text = f"a batch's 'y' is {sides(row['size'])} where {batch_size} labels are right"
        check(row["size"] == [batch_size], "y_shape", text)
    flat = numbers(x, "a batch's 'x'")
    pictures = [flat[i : i + 6] for i in range(0, len(flat), 6)]
    mistake = epochs.batch_mistake(pictures, [numbers(row, "a batch's 'y'") for row in rows])
    if mistake:
        raise mistake
    return epochs.picture_numbers(pictures)


def slices_the_pair(batches):
    """Whether this is the course's file for one digit, which cuts a pair of labels by its rows."""
    return bool(batches) and batches[0]["y_size"][:1] == [2] and batches[0]["y_size"][1:] == [7]


def check_batches(player, heads):
    for as_lists in (False, True):
        batches = batches_of(player, 7, heads, 3, as_lists)
        if heads == 2 and slices_the_pair(batches):
            return "reads one digit only"
        places = [p for batch in batches[:2] for p in check_batch(batch, heads, 3)]
        double = [p for p in places if places.count(p) > 1]
        check(not double, "picture_twice", f"picture {double[:1]} comes twice")
        text = f"batchify_data makes {len(batches)} batches of 3 from 7 examples where 2 are right"
        check(len(batches) >= 2, "batch_count", text)
        check(sorted(places) != [1, 2, 3, 4, 5, 6], "first_dropped")
        even = batches_of(player, 6, heads, 3, as_lists)
        text = f"batchify_data makes {len(even)} batches of 3 from 6 examples where 2 are right"
        check(len(even) == 2, "batch_count", text)
        all_places = sorted(p for batch in even for p in check_batch(batch, heads, 3))
        text = f"batchify_data uses the pictures {all_places} of 6"
        check(all_places == list(range(6)), "pictures_left_out", text)
    return ""


def for_each_kind(player, checks):
    """Runs a check for one digit and for two; one of them may end with an error, not both.

    An error says 'this file is for the other exercise', another mistake says 'this is wrong'.
    """
    errors = {}
    for heads in (1, 2):
        try:
            errors[heads] = checks(player, heads)
        except Mistake as mistake:
            if mistake.key not in ("raises", "missing"):
                raise mistake.saying(f"{mistake.numbers} ({HEADS[heads]})") from None
            errors[heads] = mistake
    if "" not in errors.values():
        raise next(error for error in errors.values() if isinstance(error, Mistake))
    for heads, error in errors.items():
        if error:
            player.remark(f"train_utils.py does not read {HEADS[heads]}")


@pytest.mark.points(4)
def test_batches(player):
    """batchify_data groups pictures and labels into batches of float32 and int64 tensors"""
    for_each_kind(player, check_batches)


@pytest.mark.points(1)
def test_short_batch(player):
    """batchify_data drops the short last batch"""

    def one_kind(player, heads):
        batches = batches_of(player, 7, heads, 3)
        if heads == 2 and slices_the_pair(batches):
            return "reads one digit only"
        text = f"{len(batches)} batches where 7 examples make 2 of 3"
        check(len(batches) != 3, "short_batch", text)
        text = f"7 examples make {len(batches)} batches of 3 where 2 are right"
        check(len(batches) == 2, "batch_count", text)
        return ""

    for_each_kind(player, one_kind)


@pytest.mark.points(2)
def test_accuracy(player):
    """compute_accuracy is the share of predictions that are right, between 0 and 1"""
    cases, gots = ((8, 2), (8, 0), (8, 8), (10, 3), (5, 1)), []
    for count, wrong in cases:
        y = LABELS[:count]
        predictions = np.where(np.arange(count) < wrong, (y + 1) % 10, y)
        answer = player.ask("accuracy", predictions=predictions, y=y)
        gots.append(number(answer, "what compute_accuracy returns"))
    for (count, wrong), got in zip(cases, gots, strict=True):
        right = (count - wrong) / count
        text = f"compute_accuracy of {count - wrong} right out of {count} is {show(got)} where "
        check(close(got, right), accuracy_mistake(cases, gots), f"{text}{show(right)} is right")


def accuracy_mistake(cases, gots):
    """The key of the mistake that explains compute_accuracy in all cases (count, wrong)."""
    candidates = [
        ("accuracy_count", lambda count, wrong: count - wrong),
        ("accuracy_percent", lambda count, wrong: 100 * (count - wrong) / count),
        ("accuracy_mistakes", lambda count, wrong: wrong / count),
        ("accuracy_count_mistakes", lambda count, wrong: wrong),
        ("accuracy_all", lambda count, wrong: wrong == 0),
        ("accuracy_whole", lambda count, wrong: round((count - wrong) / count)),
        # Wrong predictions here are one too large, and 0 for 9.
        ("accuracy_near", lambda count, wrong: 1 - np.sum(LABELS[:wrong] == 9) / count),
    ]
    for fixed in (8, 10, 32, 64):
        candidates.append(("accuracy_divisor", lambda count, wrong, n=fixed: (count - wrong) / n))
    for key, value in candidates:
        if all(close(got, float(value(*case))) for case, got in zip(cases, gots, strict=True)):
            return key
    return "accuracy"


@pytest.mark.points(4)
def test_training(player):
    """run_epoch takes one step of the optimizer down the mean loss for each batch"""
    for heads in offered(player):
        sets = [epochs.examples(heads, 1), epochs.examples(heads, 3)]
        gots = [run(player, heads, data, training=True)["weights"] for data in sets]
        mistake = epochs.epoch_mistake(heads, sets, gots)
        if mistake:
            raise mistake


@pytest.mark.points(4)
def test_evaluation(player):
    """run_epoch only evaluates a model in eval mode, and trains one in training mode"""
    for heads in offered(player):
        data, before = epochs.examples(heads), epochs.weights(epochs.reader(heads))
        for optimizer in (True, False):
            found = run(player, heads, data, False, optimizer=optimizer, dropout=True)
            check(not any(found["modes"]), "train_mode")
            same = close(found["weights"], before, **epochs.TOLERANCES)
            text = f"weight 0 is {show(found['weights'][0])} where {show(before[0])} was before"
            check(same, "eval_trains", text)
        found = run(player, heads, data, True, dropout=True)
        check(all(found["modes"]), "eval_mode")


@pytest.mark.points(3)
def test_averages(player):
    """run_epoch gives the mean loss and the mean accuracy of all batches"""
    for heads in offered(player):
        for training in (False, True):
            data = epochs.examples(heads)
            found = run(player, heads, data, training, rate=0.0)
            check(found["pair"], "answer_kind")
            got = numbers(found["answer"], "what run_epoch returns")
            text = f"it returns {len(got)} numbers where {2 * heads} are right"
            check(len(got) == 2 * heads, "answer_count", text)
            mistake = epochs.averages_mistake(heads, data, got)
            if mistake:
                raise mistake


def train(player, heads, data, dev, judge, **settings):
    """What judge(found) says of train_model with its own run_epoch, and if that is a Mistake, with
    a right one: what is wrong in run_epoch costs its points there."""
    mistakes = []
    for lend in (False, True):
        try:
            inputs = {"heads": heads, "data": plain(data), "dev": plain(dev)}
            mistake = judge(player.ask("training", **inputs, settings=settings, lend=lend))
        except Mistake as found:
            mistake = found
        if mistake is None:
            return
        mistakes.append(mistake)
    raise mistakes[0] if mistakes[0].key != "raises" else mistakes[1]


def epochs_made(diary, count, asked):
    """The epochs that train_model is to make; the course's first handout always makes ten."""
    steps = sum(mode and 0 <= which < count for mode, which, _ in diary)
    return 10 if steps == 10 * count else asked


@pytest.mark.points(2)
def test_train_model_passes(player):
    """train_model trains n_epochs times on the training data, and only evaluates the dev data"""
    for heads in offered(player):
        data, dev = epochs.examples(heads, 5)[:3], epochs.examples(heads, 5)[3:]

        def judge(found):
            entries = [(mode, which >= 3) for mode, which, _ in found["diary"]]
            on_dev = entries.count((True, True))
            check(on_dev == 0, "dev_in_training_mode", f"{on_dev} dev batches, where 0 are right")
            quiet, steps = entries.count((False, False)), entries.count((True, False))
            text = f"{quiet} batches of training data in eval mode"
            check(steps > 0 or quiet == 0, "train_in_eval_mode", text)
            made = epochs_made(found["diary"], 3, 4)
            if made != 4:
                player.remark(
                    "train_model makes 10 epochs, as in the handout, whatever n_epochs says"
                )
            text = f"train_model passes {steps} batches of training data in training mode where 12 "
            check(steps == 3 * made, "passes", f"{text}are right: 3 batches, 4 epochs")
            check((False, True) in entries, "no_dev")

        train(player, heads, data, dev, judge, lr=0.1, momentum=0.0, n_epochs=4)


@pytest.mark.points(3)
def test_train_model_optimizer(player):
    """train_model minimises with SGD at the lr, momentum and nesterov that it is given"""
    # The same batch twice in an epoch: the momentum shows in the second step, and no order matters.
    for heads in offered(player)[:1]:
        data, dev = epochs.examples(heads, 2)[:1] * 2, epochs.examples(heads, 2)[1:]
        for chosen in (
            {"lr": 0.1, "momentum": 0.0},
            {"lr": 0.05, "momentum": 0.9},
            {"lr": 0.05, "momentum": 0.9, "nesterov": True},
        ):

            def judge(found, heads=heads, data=data, dev=dev, chosen=chosen):
                made = epochs_made(found["diary"], 2, 3)
                return epochs.optimizer_mistake(heads, data, dev, made, chosen, found["weights"])

            train(player, heads, data, dev, judge, **chosen, n_epochs=3)


@pytest.mark.points(1)
def test_train_model_answer(player):
    """train_model returns the accuracy on the dev data"""
    for heads in offered(player)[:1]:
        data, dev = epochs.examples(heads, 5)[:2], epochs.examples(heads, 5)[2:]

        def judge(found, data=data, dev=dev, heads=heads):
            if found["answer"]["type"] == "NoneType":  # the course's first version returned nothing
                player.remark(
                    "train_model returns nothing; the accuracy on the dev data would be of use"
                )
                return
            right = shares(found["diary"], data + dev, range(2, 5), heads)
            on_train = shares(found["diary"], data + dev, range(2), heads)
            for got in numbers(found["answer"], "what train_model returns"):
                key = "returns_other"
                if any(close(got, 100 * share, 1e-3) for share in right if share):
                    key = "returns_percent"
                elif any(close(got, share, 1e-3) for share in on_train):
                    key = "returns_train"
                text = f"train_model returns {show(got)} where {show(right[-1]) if right else 0}, "
                text += "the accuracy on the dev data, is right"
                check(any(close(got, share, 1e-3, 1e-4) for share in right), key, text)

        train(player, heads, data, dev, judge, lr=0.5, momentum=0.0, n_epochs=6)


def shares(diary, batches, wanted, heads):
    """What each pass over the `wanted` batches got right: the mean of the heads, and each."""
    rows = []
    for _, which, predictions in diary:
        if which in wanted:
            y = batches[which]["y"].reshape(heads, -1)
            pairs = zip(predictions, y, strict=True)
            rows.append([float((torch.as_tensor(p) == row).float().mean()) for p, row in pairs])
    passes = [rows[i : i + len(wanted)] for i in range(0, len(rows), len(wanted))]
    each = [sum(row[h] for row in rows) / len(rows) for rows in passes for h in range(heads)]
    both = [sum(sum(row) for row in rows) / len(rows) / heads for rows in passes]
    return [*both, *each]
