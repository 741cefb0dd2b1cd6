"""What every reader of digits has to do, whatever its layers: shapes, logits, gradients.

A model here is any nn.Module that maps (N, ...) pictures to (N, 10) logits, or to two of them. Its
mistakes are found from outside, by what it answers and by its autograd graph, never from its
source.
"""

import contextlib
import copy
import re

from tests.grading.judge import Mistake, blame, check, remark, show, sides, size

import torch
import torch.nn.functional as F
from torch.nn.modules.conv import _ConvNd


def pictures(count, shape, seed=0):
    """Random pictures (count, *shape) in [0, 1), each different from the others."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, *shape, generator=generator)


def answers(model, x, heads):
    """The logits of each head as a list of (N, 10) tensors. Raises Mistake for other shapes."""
    with explained(f"forward on pictures {sides(size(x))}", len(x)):
        out = model(x)
    check(out is not None, "forward returns nothing: is a return missing?")
    if heads == 2:
        check(
            isinstance(out, (tuple, list)) or size(out)[:1] == (2,) and len(size(out)) == 3,
            f"forward returns one tensor {sides(size(out))} where two (N, 10), one per digit, are "
            "right",
        )
        check(
            len(out) == 2, f"forward returns {len(out)} results where 2, one per digit, are right"
        )
    out = list(out) if heads == 2 else [out]
    for place, logits in enumerate(out):
        name = (
            ("the first head gives", "the second head gives")[place]
            if heads == 2
            else "the model gives"
        )
        check(isinstance(logits, torch.Tensor), f"{name} a {type(logits).__name__}, not a tensor")
        check(
            size(logits) == (len(x), 10),
            f"{name} {sides(size(logits))} for {len(x)} pictures where {len(x)} x 10 is right",
        )
    return out


@contextlib.contextmanager
def explained(what, count=0):
    """blame(what), and what PyTorch's message means for a network; count: of pictures."""
    try:
        with blame(what):
            yield
    except Mistake as mistake:
        words = explain(str(mistake), count)
        raise Mistake(words + str(mistake)) from mistake.__cause__


def explain(text, count):
    """A sentence before PyTorch's message about shapes, or ''."""
    if "Expected more than 1 value per channel" in text:
        return (
            "the answer for a picture depends on the other pictures of its batch: batch "
            "normalisation uses the batch's own statistics in eval: "
        )
    if re.search(r"Target \d is out of bounds", text):
        return "the last layer has fewer than ten outputs, one for each digit: "
    if re.search(r"shape '\[\d+, -1\]' is invalid", text):
        return "the number of pictures in a batch is written into the model: "
    found = re.search(r"\((\d+)x(\d+) and (\d+)x(\d+)\)", text)
    if not found:
        return ""
    rows, got, expected, _ = map(int, found.groups())
    if count and rows > count and rows * got == count * expected:
        return "the pictures are not flattened before the first linear layer: "
    return f"a linear layer expects {expected} numbers of each picture and gets {got}: "


def check_batch_sizes(model, shape, heads):
    """Any number of pictures goes through, and each picture's answer is its own."""
    model.eval()
    with torch.no_grad():
        x = pictures(6, shape)
        together = answers(model, x, heads)
        again = answers(model, x, heads)
        for first, second in zip(together, again, strict=True):
            if not torch.allclose(first, second, atol=1e-5):
                check_registered(model, shape, heads)  # a layer made in forward is random as well
            check(
                torch.allclose(first, second, atol=1e-5),
                "dropout stays on in eval, or something else is random there: the same pictures "
                f"give different answers twice, {show_pair(first, second)}",
            )
        for first, second in zip(together, answers(model, x[:1], heads), strict=True):
            check(
                torch.allclose(first[:1], second, atol=1e-4, rtol=1e-3),
                "the answer for a picture depends on the other pictures of its batch: alone the "
                f"first gives {show_pair(second, first[:1])} among six",
            )
        answers(model, pictures(3, shape), heads)


def show_pair(a, b):
    place = int((a - b).abs().argmax())
    return f"{show(float(a.flatten()[place]))} and {show(float(b.flatten()[place]))}"


def check_logits(model, shape, heads):
    """The outputs are logits: no softmax, sigmoid or tanh keeps them between fixed bounds."""
    model = model.eval()
    with torch.no_grad():
        outs = answers(model, pictures(32, shape), heads)
        for place, out in enumerate(outs):
            where = f" (head {place + 1})" if heads == 2 else ""
            sums = out.sum(1)
            check(
                not (out.min() >= 0 and torch.allclose(sums, torch.ones_like(sums), atol=1e-3)),
                "there is a softmax before the cross-entropy, which has one of its own: ten "
                f"outputs add up to {show(float(sums[0]))}{where}",
            )
            columns = out.sum(0)
            check(
                not (
                    out.min() >= 0 and torch.allclose(columns, torch.ones_like(columns), atol=1e-3)
                ),
                "there is a softmax over the pictures of a batch (dim=0): a column of outputs "
                f"adds up to 1{where}",
            )
            if out.max() <= 0 and torch.allclose(
                out.exp().sum(1), torch.ones_like(sums), atol=1e-3
            ):
                remark(
                    f"the log_softmax at the end{where} does no harm and no good: cross_entropy "
                    "has one"
                )
        wild = [float(out.abs().max()) for out in outs_of_wild(model, shape, heads)]
        for out, top in zip(outs, wild, strict=True):
            check(
                top > 1.01,
                "the outputs are squashed by a sigmoid or tanh before the cross-entropy: with "
                f"weights 30 times as large none leaves [-1, 1], the largest is {show(top)}",
            )
            if out.min() >= 0 and (out == 0).any():
                remark(
                    "the outputs never fall below 0: a ReLU after the last layer keeps logits "
                    "from saying no"
                )


def outs_of_wild(model, shape, heads):
    """The outputs of a copy of the model whose weights are 30 times as large."""
    with contextlib.suppress(Exception):  # one that cannot be copied may be used up
        model = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.mul_(30)
    return answers(model, 3 * (pictures(32, shape, seed=1) - 0.5), heads)


def check_heads(model, shape):
    """The two heads answer differently, and both look at the picture."""
    model.eval()
    with torch.no_grad():
        first, second = answers(model, pictures(16, shape), 2)
    check(
        not torch.allclose(first, second, atol=1e-6),
        "both heads read the same ten columns: their answers are equal, "
        f"{show(float(first[0, 0]))} for class 0 of the first picture",
    )
    same = [
        (i, j)
        for i in range(10)
        for j in range(10)
        if torch.allclose(first[:, i], second[:, j], atol=1e-6) and first[:, i].std() > 0
    ]
    check(
        not same,
        f"the heads share {len(same)} of their ten columns: class {same[0][0] if same else 0} of "
        f"the first is class {same[0][1] if same else 0} of the second",
    )
    for name, out in (("first", first), ("second", second)):
        check(
            float(out.std(0).max()) > 1e-7,
            f"the {name} head does not look at the picture: all 16 pictures give "
            f"{show(float(out[0, 0]))} for class 0",
        )


def graph(tensors):
    """The leaves (tensors that gather a gradient) and the operations behind some outputs."""
    waiting = [t.grad_fn for t in tensors if t.grad_fn is not None]
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


@torch.enable_grad()
def check_registered(model, shape, heads):
    """Every weight in the graph is one of model.parameters(), which an optimizer is given."""
    registered = {id(parameter) for parameter in model.parameters()}
    check(registered, "the model has no parameters: are its layers kept in a plain list?")
    leaves, _ = graph(answers(model, pictures(4, shape), heads))
    for leaf in leaves:
        check(
            id(leaf) in registered,
            f"a layer with weights {sides(size(leaf))} is not registered and never learns: layers "
            "belong in __init__, as attributes of self or in an nn.ModuleList, not in a list nor "
            "into forward",
        )
    return leaves


def check_gradients(model, shape, heads):
    """Every weight that has a say in the answer is registered and gets a gradient."""
    model.train()
    outs = answers(model, pictures(4, shape), heads)
    for place, out in enumerate(outs):
        name = ("the first head", "the second head")[place] if heads == 2 else "the model"
        check(
            out.requires_grad,
            f"{name} gets no gradient: detach(), .data, no_grad() or argmax cuts it off",
        )
    leaves = check_registered(model, shape, heads)
    reached = {id(leaf) for leaf in leaves}
    for name, parameter in model.named_parameters():
        if id(parameter) not in reached:
            judge_unreached(model, name, parameter, shape, heads)
    sum(F.cross_entropy(out, torch.arange(4)) for out in outs).backward()
    for name, parameter in model.named_parameters():
        got = parameter.grad
        check(
            got is None or bool(torch.isfinite(got).all()),
            f"the gradient of {name} is not a finite number",
        )
    model.zero_grad()


def judge_unreached(model, name, parameter, shape, heads):
    """A weight without gradient is cut off if it changes the answer, and unused if it does not."""
    model.eval()
    with torch.no_grad():
        before = answers(model, pictures(4, shape), heads)
        old = parameter.clone()
        parameter.add_(1 + torch.rand_like(parameter))
        after = answers(model, pictures(4, shape), heads)
        parameter.copy_(old)
    model.train()
    changes = any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    check(
        not changes,
        f"{name} has a say in the answer but gets no gradient: detach(), .data, no_grad() or "
        "requires_grad=False cuts it off, so it never learns",
    )
    remark(f"{name} is never used by forward")


def check_convolution(model, shape, heads):
    _, names = graph(answers(model.train(), pictures(4, shape), heads))
    layers = any(isinstance(layer, _ConvNd) for layer in model.modules())  # cut off, but there
    calls = any("convolution" in name.lower() for name in names)
    check(layers or calls, "there is no convolution in the model")


def remark_on_linearity(model, shape, heads):
    """A model without nonlinearity is allowed; it is worth a word."""
    model.eval()
    with torch.no_grad():
        a, b = pictures(4, shape, seed=2), pictures(4, shape, seed=3)
        ends = zip(answers(model, a, heads), answers(model, b, heads), strict=True)
        middle = answers(model, (a + b) / 2, heads)
        if all(
            torch.allclose((x + y) / 2, m, atol=1e-5)
            for (x, y), m in zip(ends, middle, strict=True)
        ):
            remark("the model has no nonlinearity: its layers together are one linear layer")
