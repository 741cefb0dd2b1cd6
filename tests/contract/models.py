"""What every reader of digits has to do, whatever its layers: shapes, logits, gradients.

A model here is known by what it answers and by what autograd says of it, as plain arrays; its
source is never looked at.
"""

import contextlib
import re

from tests.grading.judge import Mistake, check, show, sides

import numpy as np

HEADS = ("first", "second")
NAMES = ("the first head", "the second head")


def pictures(count, shape, seed=0):
    """Random pictures (count, *shape) in [0, 1), each different from the others."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return generator.random((count, *shape), dtype=np.float32)


def name_of(head, heads):
    return NAMES[head] if heads == 2 else "the model"


def logits_of(answer, count, heads):
    """An answer to `count` pictures as an array (N, 10) for each head. Raises Mistake."""
    check(not isinstance(answer, str) or answer != "NoneType", "returns_nothing")
    if heads == 2:
        stacked = isinstance(answer, np.ndarray) and answer.ndim == 3 and len(answer) == 2
        size = sides(answer.shape) if isinstance(answer, np.ndarray) else answer
        check(isinstance(answer, list) or stacked, "one_tensor", f"the tensor is {size}")
        check(len(answer) == 2, "result_count", name=len(answer))
    outs = list(answer) if heads == 2 else [answer]
    for head, out in enumerate(outs):
        name = name_of(head, heads)
        check(isinstance(out, np.ndarray), "no_tensor", f"it gives a {out}", name=name)
        got = f"{sides(out.shape)} for {count} pictures"
        right = f"{count} x 10"
        check(out.shape == (count, 10), "answer_shape", name=name, got=got, right=right)
    return outs


def answers(player, name, heads, *xs, **more):
    """The logits of each head for each array of pictures: [[(N, 10), ...], ...]."""
    with explained(len(xs[0])):
        found = player.ask("answers", name=name, pictures=list(xs), **more)
    return [logits_of(a, len(x), heads) for a, x in zip(found["answers"], xs, strict=True)], found


@contextlib.contextmanager
def explained(count=0):
    """Says what PyTorch's message means for a network; count: of pictures."""
    try:
        yield
    except Mistake as mistake:
        raise explain(mistake, count) from None


def explain(mistake, count):
    """The Mistake behind PyTorch's message about shapes, or the same."""
    text = str(mistake)
    if mistake.key != "raises":
        return mistake
    if "Expected more than 1 value per channel" in text:
        return Mistake("batch_norm_alone", text)
    if re.search(r"Target \d is out of bounds", text):
        return Mistake("nine_classes", text)
    if re.search(r"shape '\[\d+, -1\]' is invalid", text):
        return Mistake("fixed_batch", text)
    if re.search(r"input to conv2d, but got input of size: \[\d+(, \d+)?\]", text):
        return Mistake("not_images", text)
    found = re.search(r"\((\d+)x(\d+) and (\d+)x(\d+)\)", text)
    if not found:
        return mistake
    rows, got, expected, _ = map(int, found.groups())
    if count and rows > count and rows * got == count * expected:
        return Mistake("not_flattened", text)
    return Mistake("sizes", text, expected=expected, got=got)


def check_batch_sizes(player, name, shape, heads):
    """Any number of pictures goes through, each picture's answer is its own, and no call counts."""
    x, other = pictures(6, shape), pictures(6, shape, seed=5)
    (together, again, alone, _, others, last), found = answers(
        player, name, heads, x, x, x[:1], pictures(3, shape), other, x
    )
    for first, second in zip(together, again, strict=True):
        if not np.allclose(first, second, atol=1e-5):
            check_registered(
                structure(player, name, shape)
            )  # one made in forward is random as well
            raise Mistake("random_in_eval", show_pair(first, second))
    for first, second in zip(together, alone, strict=True):
        same = np.allclose(first[:1], second, atol=1e-4, rtol=1e-3)
        text = f"alone the first gives {show_pair(second, first[:1])} among six"
        check(same, "mixes_pictures", text)
    for first, second, third in zip(together, others, last, strict=True):
        same = np.allclose(first, third, atol=1e-5)
        check(same, "remembers_pictures", show_pair(first, third))
        stuck = np.allclose(first, second, atol=1e-9) and first.std(0).max() > 1e-6
        check(not stuck, "remembers_pictures", f"both begin {show(float(first[0, 0]))}")
    check(not any(found["changed"]), "input_in_place")
    check(all(found["modes"]), "changes_mode")
    _, training = answers(player, name, heads, x, x, training=True)
    check(all(training["modes"]), "changes_mode")
    check(not any(training["changed"]), "input_in_place")


def show_pair(a, b):
    place = int(np.abs(a - b).argmax())
    return f"{show(float(a.flatten()[place]))} and {show(float(b.flatten()[place]))}"


def check_logits(player, name, shape, heads):
    """The outputs are logits: no softmax, sigmoid or tanh keeps them between fixed bounds."""
    x = pictures(32, shape)
    (outs,), _ = answers(player, name, heads, x)
    facts = structure(player, name, shape)
    matrices = [p for p in facts["parameters"] if len(p["shape"]) > 1]
    check(not matrices or not all(p["zero"] for p in matrices), "zero_weights")
    (training,), _ = answers(player, name, heads, x, training=True)
    (wild,), _ = answers(player, name, heads, 3 * (pictures(32, shape, 1) - 0.5), scale=30.0)
    for head, out in enumerate(outs):
        where = f" (head {head + 1})" if heads == 2 else ""
        sums, columns = out.sum(1), out.sum(0)
        text = f"ten outputs{where} add up to {show(float(sums[0]))}"
        one = out.min() >= 0 and np.allclose(sums, 1, atol=1e-3)
        check(not one, "softmax", text)
        one = out.min() >= 0 and np.allclose(columns, 1, atol=1e-3)
        check(not one, "softmax_batch", f"a column of outputs{where} adds up to 1")
        if out.max() <= 0 and np.allclose(np.exp(out).sum(1), 1, atol=1e-3):
            player.remark(
                f"the log_softmax at the end{where} does no harm and no good: cross_entropy has one"
            )
        top = float(np.abs(wild[head]).max())
        text = f"with weights 30 times as large none leaves [-1, 1], the largest is {show(top)}"
        check(top > 1.01, "squashed", text)
        relu = out.min() >= 0 and wild[head].min() >= 0 and (wild[head] == 0).any()
        check(not relu, "relu_on_logits", where=where)
        dropped = (training[head] == 0).mean() > 0.05 and (out == 0).mean() < 0.01
        check(not dropped, "dropout_on_logits", where=where)


def check_heads(player, name, shape):
    """The two heads answer differently, and both look at all of the picture."""
    x = pictures(16, shape)
    rows = shape[-2]
    upper, lower = x.copy(), x.copy()
    upper[..., : rows // 3, :] = 1 - upper[..., : rows // 3, :]
    lower[..., -(rows // 3) :, :] = 1 - lower[..., -(rows // 3) :, :]
    mixed = x.reshape(16, -1)[:, np.random.Generator(np.random.PCG64(3)).permutation(x[0].size)]
    mixed = np.ascontiguousarray(mixed.reshape(x.shape))
    ((first, second), *changed, (one, two)), _ = answers(player, name, 2, x, upper, lower, mixed)
    text = f"{show(float(first[0, 0]))} for class 0 of the first picture"
    check(not np.allclose(first, second, atol=1e-6), "same_columns", text)
    same = [
        (i, j)
        for i in range(10)
        for j in range(10)
        if np.allclose(first[:, i], second[:, j], atol=1e-6) and first[:, i].std() > 0
    ]
    text = f"class {same[0][0]} of the first is class {same[0][1]} of the second" if same else ""
    check(not same, "shared_columns", text, name=len(same))
    for head, out in enumerate((first, second)):
        text = f"all 16 pictures give {show(float(out[0, 0]))} for class 0"
        check(out.std(0).max() > 1e-7, "blind_head", text, name=HEADS[head])
        for where, outs in zip(("upper", "lower"), changed, strict=True):
            blind = np.allclose(out, outs[head], atol=1e-7, rtol=0)
            check(not blind, "half_blind", name=NAMES[head], where=where)
        blind = np.allclose(out, (one, two)[head], atol=1e-6, rtol=1e-5)
        check(not blind, "shuffled_blind", name=NAMES[head])


def check_anew(player, name):
    """A second model has weights of its own."""
    shared = player.ask("shared", name=name)
    check(not shared, "instances_share", f"{shared[0]} is the same in both" if shared else "")


def structure(player, name, shape):
    return player.ask("structure", name=name, pictures=pictures(4, shape))


def check_registered(facts):
    """Every weight in the graph is one of model.parameters(), which an optimizer is given."""
    check(facts["parameters"], "no_parameters")
    for shape in facts["strangers"]:
        raise Mistake("not_registered", name=sides(shape))


def check_gradients(player, name, shape, heads):
    """Every weight that has a say in the answer is registered and gets a gradient from its head."""
    with explained(4):
        facts = structure(player, name, shape)
    for head, requires in enumerate(facts["requires"]):
        check(requires, "no_gradient", name=name_of(head, heads))
    check_registered(facts)
    for parameter in facts["parameters"]:
        check_gradient(player, parameter)


def check_gradient(player, parameter):
    """A weight without gradient is cut off if it changes the answer, and unused if it does not."""
    name, grads, changes = parameter["name"], parameter["grads"], parameter["changes"]
    for grad in grads:
        check(grad is None or np.isfinite(grad), "gradient_infinite", name=name)
    if not any(grad is not None for grad in grads):
        check(not any(changes), "cut_off", name=name)
        player.remark(f"{name} is never used by forward")
        return
    for head, grad in enumerate(grads):
        cut = grad is None and changes and changes[head]
        check(not cut, "half_cut_off", name=name, head=HEADS[head])


def check_convolution(player, name, shape, heads):
    facts = structure(player, name, shape)
    on_the_way = any("convolution" in op.lower() for names in facts["operations"] for op in names)
    cut = not all(facts["requires"]) or any(
        p["grads"].count(None) == len(p["grads"]) and any(p["changes"]) for p in facts["parameters"]
    )
    made = any(re.search(r"Conv\d?d?", layer) for layer in facts["layers"])
    unused = made and not on_the_way and not cut
    check(not unused, "convolution_unused")
    check(on_the_way or made, "no_convolution")


def remark_on_linearity(player, name, shape, heads):
    """A model without nonlinearity is allowed; it is worth a word."""
    a, b = pictures(4, shape, seed=2), pictures(4, shape, seed=3)
    (one, two, middle), _ = answers(player, name, heads, a, b, (a + b) / 2)
    if all(
        np.allclose((x + y) / 2, m, atol=1e-5) for x, y, m in zip(one, two, middle, strict=True)
    ):
        player.remark("the model has no nonlinearity: its layers together are one linear layer")
