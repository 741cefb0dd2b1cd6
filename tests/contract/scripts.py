"""What a script's main() did with its data, read off the record of what its models were shown.

The record is a list of events in order: who showed pictures (train_model, run_epoch, dev: the
evaluation in train_model, own: a loop of the script's own), to which model, in training or not,
which pictures by their numbers (-1: not recognised), with which labels. Pictures are numbered
through: the training set from 0 on, then the test set.
"""

import functools

from tests.contract.models import explain
from tests.grading import codes
from tests.grading.judge import Mistake, check, show

import numpy as np

FEW = 0.25  # share of a set below which it counts as hardly used


def performance(player):
    """What main() did: it runs once, and the answer is kept."""
    return player.ask("main")


def sizes(found, heads):
    """(training pictures, test pictures) of the made-up data."""
    return codes.SMALL if found["own_options"] else codes.COUNTS[heads]


def trained_shape(player):
    """The shape of the pictures that main() trains with. Raises Mistake when nothing trains."""
    found = performance(player)
    shapes = [event["shape"] for event in found["events"] if event["training"] and event["shape"]]
    if not shapes:
        raise error_of(player, found) or Mistake("main_nothing")
    return tuple(shapes[-1])


def error_of(player, found):
    """The Mistake for the error that main() ended with, or None."""
    if player.stopped:
        return Mistake("raises", what=f"the import of {player.exercise}.py", error=player.stopped)
    if not found["error"]:
        return None
    what = "main()" if found["has_main"] else f"{player.exercise}.py"
    return explain(Mistake("raises", what=what, error=found["error"]), 0)


def check_run(player):
    """main() trains a model, with a rate, and comes to an end without an error."""
    found = performance(player)
    for text in found["remarks"]:
        player.remark(text)
    events = found["events"]
    check_settings(events)
    for event in events:
        tested = event["unguarded"] and event["by"] == "run_epoch"
        check(not tested, "eval_with_training")
    error = error_of(player, found)
    if error:
        raise error
    training = [event for event in events if event["training"] or event["stepped"]]
    check(events or found["has_main"], "no_main", name=f"{player.exercise}.py")
    check(training, "main_nothing")
    if found["cut"]:
        player.remark("its training was watched for a few seconds only")
    check(not found["squashed"], "main_squashed", name=found["squashed"])
    check(found["no_zero_grad"] < 3, "main_no_zero_grad")
    moved = found["moved"]
    check(any(moved.values()), "weights_still")
    for event in training:
        quiet = event["by"] == "own" and event["mode"] and not event["mode"][0]
        check(not (quiet and found["fickle"][event["model"]]), "main_eval")


def check_settings(events):
    for event in events:
        if event["by"] != "train_model":
            continue
        check(event["lr"] != 0, "rate_zero", "train_model gets lr=0")
        check(event["lr"] > 0, "rate_negative", f"train_model gets lr={show(event['lr'])}")
        check(event["n_epochs"] > 0, "no_epochs", name=event["n_epochs"])


def check_pictures(player, heads):
    """Each set of pictures does its own work, whole and as it is, with its own labels."""
    found = performance(player)
    events = [event for event in found["events"] if event["by"] != "train_model"]
    shown = [event for event in events if len(event["shown"])]
    if not any(event["training"] for event in events):
        raise error_of(player, found) or Mistake("main_nothing")
    train_count, test_count = sizes(found, heads)
    if not found["own_options"]:  # it changes its pictures, and has tests of its own for them
        for event in shown:
            check_turn(event, train_count, heads)
    check_split(events, train_count)
    if not found["own_options"]:
        check_sets_alike(shown, train_count)
    readable = [event for event in shown if (event["shown"] >= 0).mean() > 0.5]
    if not any(event["training"] for event in readable) and not found["own_options"]:
        player.remark("its pictures are changed so much that the split could not be checked")
    for event in readable:
        check_labels(event, train_count, heads)
    if not found["cut"] and not error_of(player, found):
        check_choice(events, train_count)
        if not found["own_options"]:
            check_amounts(events, train_count, test_count)
        check_tested(events, train_count)


def kind_of(event, train_count):
    """'test', 'train' or '' for what an event shows most of."""
    known = event["shown"][event["shown"] >= 0]
    if not len(known):
        return ""
    return "test" if (known >= train_count).mean() > 0.5 else "train"


def check_split(events, train_count):
    """No test picture is trained on, and dev pictures are not among those trained on."""
    for event in events:
        empty = (
            event["by"] in ("run_epoch", "dev") and len(event["shown"]) == 0 and not event["shape"]
        )
        name = "the training set" if event["training"] else "run_epoch"
        name = "the dev set" if event["by"] == "dev" else name
        check(not empty, "empty_set", name=name)
    trained = [event["shown"] for event in events if event["training"]]
    trained_on = np.concatenate(trained) if trained else np.zeros(0)
    test = int((trained_on >= train_count).sum())
    text = f"{test} of the {len(trained_on)} pictures shown in training"
    check(test <= 0.01 * len(trained_on), "trains_on_test", text)
    seen, overlap, clean = {}, [], False
    for event in events:
        known = set(event["shown"][event["shown"] >= 0].tolist())
        if event["training"]:
            seen.setdefault(event["model"], set()).update(known)
            continue
        dev = {number for number in known if number < train_count}
        if not dev or len(dev) < 0.5 * len(known):
            continue
        both = (
            len(dev & set().union(*seen.values()))
            if event["by"] == "own"
            else len(dev & seen.get(event["model"], set()))
        )
        overlap.append((both, len(dev)))
        clean = clean or both <= 0.9 * len(dev)
    if overlap and not clean:
        both, whole = overlap[0]
        text = f"{both} of the {whole} dev pictures were trained on"
        raise Mistake("dev_in_training", text)


def check_amounts(events, train_count, test_count):
    """Most of the training data train, and the whole test set tests."""
    if any(event["by"] == "own" and event["training"] for event in events):
        return  # whose epochs are cut short here
    trained = [event["shown"] for event in events if event["training"]]
    unreadable = any((shown < 0).mean() > 0.5 for shown in trained if len(shown))
    known = np.unique(np.concatenate(trained))
    count = int((known >= 0).sum())
    dev = [event["shown"] for event in events if event["by"] == "dev"]
    on_dev = len(np.unique(np.concatenate(dev))) if dev else 0
    text = f"{count} pictures train, {on_dev} choose"
    if not unreadable:
        check(count > FEW * train_count or on_dev < 0.5 * train_count, "split_turned", text)
        text = f"{count} of the {train_count} pictures"
        check(count > FEW * train_count, "few_trained", text)
    tested = [e["shown"] for e in events if not e["training"] and kind_of(e, train_count) == "test"]
    if tested:
        count = len(np.unique(np.concatenate(tested)))
        text = f"{count} of the {test_count} pictures"
        check(count > FEW * test_count, "few_tested", text)


def check_turn(event, train_count, heads):
    """The pictures of an event are pictures, and lie as they did."""
    name = {"test": "test", "train": "training"}.get(kind_of(event, train_count), "training")
    grey = [spread for _, spread in event["grey"]]
    check(not grey or max(grey) > 1e-6, "black_pictures", name=name)
    raw = [np.asarray(picture) for picture in event["raw"]]
    if len(raw) > 2 and heads == 1:
        same = np.mean(np.ptp(raw, axis=0) < 1e-6)
        check(same < 0.3, "cut_pictures", f"{show(100 * same)} % of the pixels", name=name)
    if raw and not (event["shown"] >= 0).any() and heads == 1:
        check(not any(is_scrambled(picture) for picture in raw), "scrambled")


def is_scrambled(picture):
    """Whether a picture has its pixels from a transposed array of all training or test pictures."""
    return any(
        np.isclose(rows[:, :4], picture[:4], atol=1e-5).all(1).any() for rows in scrambled_sets()
    )


@functools.lru_cache(maxsize=1)
def scrambled_sets():
    """The first numbers of each row of the data, read in the wrong order."""
    x, _, test, _ = codes.data(1)
    return [np.ascontiguousarray(part.T.reshape(-1, 784)[:, :8]) for part in (x, test)]


def check_sets_alike(shown, train_count):
    """All sets lie the same way and have the same grey values; augmentation may move some."""
    sets = {}
    for event in shown:
        kind = kind_of(event, train_count)
        name = {"test": "test", "train": "dev"}.get(kind)
        name = "training" if event["training"] else name
        if name and event["turns"]:
            turn = max(event["turns"], key=event["turns"].get)
            sets.setdefault(name, []).append((turn, np.mean(event["grey"], axis=0)))
    known = {name: parts for name, parts in sets.items() if parts[0][0] != "unreadable"}
    turns = {name: parts[0][0] for name, parts in known.items()}
    common = max(set(turns.values()), key=list(turns.values()).count) if turns else ""
    for name, turn in turns.items():
        if turn != common or (len(turns) == 2 and len(set(turns.values())) == 2):
            name = "test" if turns.get("test") not in (None, "as they were") else name
            how = turns[name] if turns[name] != "as they were" else "not " + common
            raise Mistake("turned_pictures", name=name, how=how)
    for name in known:
        for other in known:
            (mean, spread), (right_mean, right_spread) = known[name][-1][1], known[other][-1][1]
            size = max(spread, right_spread, 1e-9)
            far = abs(mean - right_mean) > 0.3 * size or abs(spread - right_spread) > 0.3 * size
            text = (
                f"their mean is {show(mean)} and {show(right_mean)}, their spread {show(spread)} "
            )
            check(not far, "grey_values", f"{text}and {show(right_spread)}", name=name, other=other)


def check_labels(event, train_count, heads):
    """The labels that go with the pictures are those of the data."""
    rows = event["shown"]
    labels = labels_of(heads, train_count)
    verb = "is trained on" if event["training"] else "is compared on dev with"
    if not event["training"] and kind_of(event, train_count) == "test":
        verb = "is compared on test with"
    for head, given in enumerate(event["labels"][:heads]):
        use = (rows >= 0) & (np.asarray(given) >= 0)
        if use.sum() < 8:
            continue
        got, right = np.asarray(given)[use], labels[head][rows[use]]
        wrong = int((got != right).sum())
        if wrong <= 0.1 * len(got):
            if event["training"] and len(np.unique(right)) == 1:
                raise Mistake("one_class", name=f"class {right[0]}")
            continue
        text = f"{wrong} of {len(got)} labels differ from those of the data"
        owner = f" of the {('first', 'second')[head]} digit" if heads == 2 else ""
        if heads == 2 and (got == labels[1 - head][rows[use]]).mean() > 0.9:
            names = ("first", "second")
            fields = {"name": names[head], "other": names[1 - head], "verb": verb}
            raise Mistake("labels_of_other", text, **fields)
        shift = (got - right) % 10
        if (shift == shift[0]).mean() > 0.9:
            raise Mistake("labels_shifted", text, owner=owner, how=f"{shift[0]} too high")
        raise Mistake("labels_wrong", text, owner=owner)


@functools.cache
def labels_of(heads, train_count):
    _, train_y, _, test_y = codes.data(heads, small=train_count == codes.SMALL[0])
    return np.concatenate([np.atleast_2d(train_y), np.atleast_2d(test_y)], axis=1)


def check_choice(events, train_count):
    """Nothing is chosen by the test set."""
    tested = {}
    for place, event in enumerate(events):
        model = event["model"]
        if event["training"]:
            how = "the model is tested and then trained on"
            check(model not in tested, "test_chooses", how=how)
        elif kind_of(event, train_count) == "test":
            how = "train_model gets the test pictures in place of dev"
            check(event["by"] != "dev", "test_chooses", how=how)
            again = event["by"] != "own" and model in tested  # own loops may ask several in turn
            since = events[tested[model] :] if model in tested else []
            trained = any(e["training"] for e in since[: place - tested.get(model, 0)])
            how = "several models are tested, and one of them again at the end"
            check(not (again and (trained or len(tested) > 1)), "test_chooses", how=how)
            tested[model] = place


def check_tested(events, train_count):
    """What is reported is the test set's, and of a model that was trained."""
    last_training = max(place for place, event in enumerate(events) if event["training"])
    after = [
        event
        for event in events[last_training + 1 :]
        if not event["training"] and event["by"] != "dev"
    ]
    on_test = [event for event in after if kind_of(event, train_count) == "test"]
    if not on_test:
        earlier = [e for e in events if kind_of(e, train_count) == "test" and not e["training"]]
        if earlier or any((e["shown"] < 0).mean() > 0.5 for e in after if len(e["shown"])):
            return
        dev = events[last_training]["shown"]
        same = after and len(after[-1]["shown"]) and np.isin(after[-1]["shown"], dev).mean() > 0.9
        check(False, "dev_reported", name="training" if same else "dev")
    event = on_test[-1]
    how = "it has the weights of before the training"
    check(not event["start"], "untrained_tested", how=how)
    near = 0 <= event["distance"] < 0.5
    how = "it is another model than the one that was trained"
    check(event["trained"] or near, "untrained_tested", how=how)
