"""The clinic: whole networks in our own style, each with one mistake, and the curves they give.

A case is cut from our lessons: the functions that a mistake has to do with, then a few lines that
train for some seconds. Its number is its place in the table of mistakes.
"""

import ast
import contextlib
import random
import re
import sys

from tests.practice import source, verdicts
from tests.practice.mistakes import MISTAKES
from tests.practice.source import UserError
from tests.practice.steps import STEPS

CASES = [mistake for mistake in MISTAKES if mistake.curve]
BY_NAME = {step.name: step for step in STEPS}
FIRST_LINE = "Case {number} of the clinic: one mistake is in these lines."

# ------------------------------------------------------------------------------ how each is trained

SMALL = '''
def curve(epochs=30):
    """Return for each epoch the mean loss on the training points, and on the testing points."""
    network, rows = NeuralNetwork(), []
    network.epochs_to_train = 1
    for epoch in range(1, epochs + 1):
        network.train_neural_network()
        train = np.mean([(network.predict(*x) - y) ** 2 / 2 for x, y in network.training_points])
        dev = np.mean([(network.predict(*x) - 7 * x[0]) ** 2 / 2 for x in network.testing_points])
        rows.append((float(train), float(dev)))
        print(f"epoch {epoch:2}: loss {train:.4f}, on the testing points {dev:.4f}")
    return rows
'''

NUMPY = '''
def curve(epochs=10):
    """Return for each epoch the percent misread, of 2,000 training digits and of 1,000 others."""
    (images, labels), _ = utils.read_mnist()
    x, y = utils.flat(images[:3000]), labels[:3000].astype(np.int64)
    params = initialise([28 * 28, 64, 10], np.random.default_rng(0))
    run = utils.Run(epochs, seed=0, quiet=False)
    with np.errstate(all="ignore"):
        try:
            {train}(params, (x[:2000], y[:2000]), (x[2000:], y[2000:]), run, batch_size=32)
        except utils.UserError as error:  # the loss is no longer a number
            print(error)
    return [(100 - 100 * r["train_accuracy"], 100 - 100 * r["dev_accuracy"]) for r in run.history]
'''

LOOP = '''
def curve(epochs=8):
    """Return for each epoch the percent misread, of 2,000 training {what} and of 1,000 others."""
    (images, labels), _ = utils.read_mnist()
    x, y = torch.from_numpy(utils.as_floats(images[:{count}]))[:, None], labels[:{count}].astype(np.int64)
{data}
    train, dev = {batchify}(x[:{split}], y[..., :{split}], 32), {batchify}(x[{split}:], y[..., {split}:], 64, drop_last=False)
    torch.manual_seed(0)
    {model}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    rows = []
    for epoch in range(1, epochs + 1):
        {epoch}
        right = {evaluate}(dev, model.eval(), None)[1]
        rows.append((100 - 100 * float(np.mean(learned)), 100 - 100 * float(np.mean(right))))
        print(f"epoch {{epoch}}: misread {{rows[-1][0]:.1f}} % in training, {{rows[-1][1]:.1f}} % of dev")
    return rows
'''
PAIRS = """    partners = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    x, y = {compose}(x, x[partners]), np.stack([y, y[partners]])  # (N, 1, 42, 28), (2, N)"""
FIT = '''
def curve(epochs=8):
    """Return for each epoch the percent misread, of 2,000 training digits and of 1,000 others."""
    (images, labels), _ = utils.read_mnist()
    x, y = torch.from_numpy(utils.as_floats(images[:3000]))[:, None], labels[:3000].astype(np.int64)
    train, dev = batchify_data(x[:2000], y[:2000], 32), batchify_data(x[2000:], y[2000:], 64, drop_last=False)
    torch.manual_seed(0)
    layers = Flatten(), nn.Linear(784, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2)
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    run = utils.Run(epochs, seed=0, quiet=False)
    how = {{"nesterov": True, "averaging": 0.9{more}}}
    train_model(train, dev, model, lr=0.05, momentum=0.9, run=run, n_epochs=epochs, **how)
    return [(100 - 100 * r["train_accuracy"], 100 - 100 * r["dev_accuracy"]) for r in run.history]
'''

MAIN = """

if __name__ == "__main__":
    curve()
"""


def loop(model, *, epoch="", two=False, lent=True, compose="utils_multiMNIST.compose", count=3000):
    """Return the lines that train a model for some seconds; `lent`: with our own run_epoch."""
    ours = "train_utils." if lent else ""
    return (
        LOOP.format(
            what="pairs" if two else "digits",
            count=count,
            split=count * 2 // 3,
            data=PAIRS.format(compose=compose) if two else "",
            batchify=f"{ours}batchify_data",
            model=f"model = {model}",
            epoch=epoch or f"learned = {ours}run_epoch(train, model.train(), optimizer)[1]",
            evaluate=f"{ours}run_epoch",
        )
        .replace("\n\n    train", "\n    train")
        .replace("2,000", f"{count * 2 // 3:,}")
        .replace("1,000", f"{count // 3:,}")
    )


PART_1 = [
    "rectified_linear_unit",
    "rectified_linear_unit_derivative",
    "output_layer_activation",
    "output_layer_activation_derivative",
    "NeuralNetwork",
]
PART_2 = [
    "rectified_linear_unit",
    "rectified_linear_unit_derivative",
    "HIDDEN",
    "BATCH_SIZE",
    "PLAIN",
    "initialise",
    "forward",
    "log_softmax",
    "softmax_cross_entropy",
    "backward",
    "evaluate",
    "train_plain",
]
PART_3 = [
    *PART_2[:-1],
    "EPOCHS",
    "LEARNING_RATE",
    "MOMENTUM",
    "ADVERSARIAL",
    "WARM_UP",
    "half_cosine",
    "momentum_step",
    "image_gradient",
    "adversarial_step",
    "train_better",
]
EPOCH = ["Flatten", "batchify_data", "compute_accuracy", "logits_of", "losses_of", "run_epoch"]
TRAINING = [
    "EVALUATION_BATCH",
    "WARM_UP",
    *EPOCH,
    "train_model",
    "adversarial_examples",
    "one_cycle",
    "moving_average",
    "save_and_restore",
    "arrays_of",
    "load_arrays",
]
SIMPLE = "nn.Sequential(Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))"
TWO = "mlp.MLP(42 * 28, [64])"
COUNTED = """rates = []
        for batch in train:
            rates.append(compute_accuracy(model.train()(batch["x"]).argmax(1), batch["y"]))
            run_epoch([batch], model, optimizer)
        learned = rates"""
PLAINLY = """train_plainly(model, train, 0.1, 1)
        learned = train_utils.run_epoch(train, model.eval(), None)[1]"""
CNN = ["stage", "ours", "quick", "strided", "lenet5", "pytorch_example", "DESIGNS", "build_model"]

# What a case of each step consists of: the names cut from its file, and the lines that train it.
PARTS = {
    **{name: (PART_1, SMALL) for name in BY_NAME if name.startswith("NeuralNetwork")},
    "output_layer_activation": (PART_1, SMALL),
    **{
        step.name: (PART_2, NUMPY.format(train="train_plain"))
        for step in STEPS
        if step.file == "neural_nets.py" and step.functions[0] in PART_2
    },
    **{
        step.name: (PART_3, NUMPY.format(train="train_better"))
        for step in STEPS
        if step.functions[0] in PART_3[len(PART_2) - 1 :]
    },
    "train_plainly": (["train_plainly"], loop(SIMPLE.replace("Fl", "nn.Fl"), epoch=PLAINLY)),
    "batchify_data": (EPOCH, loop(SIMPLE, lent=False)),
    "compute_accuracy": (EPOCH, loop(SIMPLE, lent=False, epoch=COUNTED)),
    "run_epoch": (
        EPOCH,
        loop(SIMPLE.replace("Flatten(), ", "Flatten(), nn.BatchNorm1d(784), "), lent=False),
    ),
    "run_epoch.two_heads": (EPOCH, loop(TWO, two=True, lent=False)),
    "train_model": (TRAINING, FIT.format(more="")),
    "one_cycle": (TRAINING, FIT.format(more=', "schedule": one_cycle')),
    "adversarial_examples": (TRAINING, FIT.format(more=', "adversarial": 1.0')),
    "nnet_fc.build_model": (["ACTIVATIONS", "build_model"], loop("build_model([64, 32], 'tanh')")),
    **{
        step.name: (CNN, loop("build_model('ours', 0.5)", count=1500))
        for step in STEPS
        if step.name.startswith("nnet_cnn.")
    },
    "compose": (["img_rows", "compose"], loop(TWO, two=True, compose="compose")),
    "MLP": (["MLP", "HIDDEN"], loop("MLP(42 * 28, [64, 32])", two=True)),
    "CNN": (["stage", "CNN"], loop("CNN()", two=True, count=1200)),
}


# ------------------------------------------------------------------------------ a case as a file


def case_text(number):
    """Return the text of a case; number 0.. of CASES."""
    mistake = CASES[number - 1]
    step = BY_NAME[mistake.step]
    return assembled(step, source.with_edits(step.file, step.functions, mistake.edits), number)


def assembled(step, text, number):
    """Return a whole file, cut from a text of a lesson: what a step has to do with, and curve()."""
    names, lines_to_train = PARTS[step.name]
    tree, lines = ast.parse(text), text.splitlines(keepends=True)
    pieces = []
    before = tree.body[0].end_lineno
    for node in tree.body[1:]:
        if set(names) & names_of(node):
            pieces.append("".join(lines[before : node.end_lineno]).strip("\n"))
        before = node.end_lineno
    body = "\n\n\n".join(pieces) + "\n\n" + lines_to_train + MAIN
    docstring = f'"""{FIRST_LINE.format(number=number)}\n\n{ADVICE}"""\n'
    imports = "\n".join(imports_for(tree, body))
    words = "# the data and the utilities lie there"
    path = f"import sys\n\nsys.path.append({str(source.ROOT)!r})  {words}\n"
    return f"{docstring}\n{path}\n{imports}\n\n{body}"


ADVICE = """Run it to see its learning curve again. `python tests/exercises.py check` of its folder says when it
is mended. The comments and docstrings are right.
"""


def names_of(node):
    """Return the names that a statement of a file defines."""
    if isinstance(node, source.FUNCTIONS):
        return {node.name}
    targets = getattr(node, "targets", [])
    return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}


EXTRA = [
    "import numpy as np",
    "import torch",
    "import mlp",
    "import train_utils",
    "import utils",
    "import utils_multiMNIST",
    "from torch import nn",
]


def imports_for(tree, body):
    """Return the import statements of a file, and ours, as far as the body uses their names."""
    found = [ast.unparse(n) for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    used = []
    for line in dict.fromkeys([*found, *EXTRA]):
        node = ast.parse(line).body[0]
        kept = [
            a for a in node.names if re.search(rf"\b{(a.asname or a.name).split('.')[0]}\b", body)
        ]
        if kept:
            node.names = kept
            used.append(ast.unparse(node))
    ours = {f"import {f.removesuffix('.py')}" for f in (*source.FILES, "utils.py")}
    return sorted(set(used), key=lambda line: (line not in ours, "torch" in line, line))


# ------------------------------------------------------------------------------ writing it


def open_case(folder, number):
    """Write a case and its curve into a folder, and say what the curve looks like."""
    number = number or random.randrange(len(CASES)) + 1
    if not 1 <= number <= len(CASES):
        raise UserError(f"--case {number}: the cases are 1 to {len(CASES)}")
    step = BY_NAME[CASES[number - 1].step]
    path = folder / step.file
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose a folder")
    for file in (*source.FILES, "curve.png"):
        if (folder / file).exists():
            raise UserError(f"{folder / file} is there already; choose a new folder")
    wrong, right = case_text(number), assembled(step, source.our_text(step.file), number)
    curves = curves_of(step, wrong, right, str(path))
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(wrong, encoding="utf-8")
    draw(folder / "curve.png", curves)
    print(
        f"case {number} of {len(CASES)}: one line of {path} is wrong (of {len(wrong.splitlines())})"
    )
    print(f"its learning curve, beside the right one's: {folder / 'curve.png'}")
    print(describe(curves, small=PARTS[step.name][1] is SMALL))
    print(f"mend it, then: python tests/exercises.py check {folder}   (--hint helps)")
    return 0


def curves_of(step, wrong, right, path):
    """Return the two curves [(train, dev) of each epoch], of the case and of what is right."""
    curves = []
    with verdicts.Worker(seconds=120) as worker:
        for text in (wrong, right):
            answer = worker.ask({"file": step.file, "curve": True, "text": text, "path": path})
            if answer["error"]:
                raise UserError(f"the case cannot be trained: {answer['error']['words']}")
            curves.append(answer["notes"][0][1])
    return curves


def draw(path, curves):
    """Draw the case's curve beside that of the right network, on one scale."""
    sys.path.insert(0, str(source.ROOT))
    import utils

    def fill(axes, figure):
        for axis, curve, title in zip(
            axes.flat, curves, ("this one", "the right one"), strict=True
        ):
            for column, colour, name in ((0, utils.ORANGE, "training"), (1, utils.BLUE, "dev")):
                values = [row[column] for row in curve]
                axis.plot(range(1, len(curve) + 1), values, ".-", color=colour, label=name)
            axis.set(title=title, xlabel="epoch", yscale="symlog")
            axis.grid(alpha=0.3)
            axis.legend()

    utils.save_figure(path, (9, 4), fill, ncols=2, sharey=True)


def describe(curves, small):
    """Return in words how the case's curve differs from the right one."""
    what, unit = ("the loss on the testing points is", "") if small else ("dev is misread to", " %")
    if len(curves[0]) < len(curves[1]):
        return f"it stops after {len(curves[0])} of {len(curves[1])} epochs: the loss is no number"
    ends = [sum(row[1] for row in curve[-3:]) / 3 for curve in curves]
    words = f"at the end {what} {ends[0]:.3g}{unit}, of the right one to {ends[1]:.3g}{unit}"
    words = words.replace(
        "of the right one to", "of the right one" if small else "by the right one to"
    )
    if looks_right(curves):
        words += (
            "\nthe curve looks right: this mistake does not show in it, and only a test finds it"
        )
    return words


def looks_right(curves):
    """Return whether one could not tell the two curves apart but for chance."""
    if len(curves[0]) < len(curves[1]):
        return False
    for column in (0, 1):
        found, right = (sum(row[column] for row in curve[-3:]) / 3 for curve in curves)
        if not abs(found - right) <= max(0.15 * right, 0.02 * curves[1][0][column]):
            return False
    return True


# ------------------------------------------------------------------------------ is it mended?


def case_in(texts):
    """Return the number of the case that lies in a folder, or None."""
    pattern = re.escape(FIRST_LINE).replace(r"\{number\}", r"(\d+)")
    for text, _ in texts.values():
        found = re.match(rf'\s*"""{pattern}', text)
        if found and 1 <= int(found[1]) <= len(CASES):
            return int(found[1])
    return None


def check(folder, texts, hints):
    """Say whether a case is mended, and then what it was; 0 if it is, else 1."""
    number = case_in(texts)
    mistake = CASES[number - 1]
    file = BY_NAME[mistake.step].file
    text, wrong = texts[file]
    if wrong:
        raise UserError(f"{folder / file} cannot be read: {wrong}")
    steps = [
        s for s in STEPS if s.file == file and all(source.text_of(text, f) for f in s.functions)
    ]
    with verdicts.Worker() as theirs, verdicts.Worker() as ours:
        found = {}
        for step in steps:
            finding = verdicts.judge(step, text, str(folder / file), theirs, ours)
            if finding:
                found[step.name] = finding
        if not found and mistake.step in [step.name for step in steps]:
            print(f"case {number} is mended. It was: {mistake.step}: {mistake.words}")
            return 0
        print(f"case {number}: not mended yet")
        with contextlib.suppress(StopIteration):
            name, finding = next(iter(found.items()))
            sayings = [f"look at {name}", finding.place(), finding.words()]
            for level, words in enumerate(sayings[:hints], 1):
                print(f"  hint {level} of 3: {words}")
    return 1
