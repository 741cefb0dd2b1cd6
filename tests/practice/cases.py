"""What the clinic's cases consist of: functions cut from the lessons, and lines that train them.

Each of the endings below defines curve(), which trains for some seconds, and returns for each epoch
{"misread": (training, dev) in per cent, "loss": (training, dev)}.
"""

from tests.practice import source
from tests.practice.mistakes import MISTAKES
from tests.practice.steps import STEPS

CASES = [mistake for mistake in MISTAKES if mistake.curve]
BY_NAME = {step.name: step for step in STEPS}

# ------------------------------------------------------------------------------ the endings

SMALL = '''
def curve(epochs=30):
    """Return the mean loss on the training points and on the testing points, for each epoch."""
    network, rows = NeuralNetwork(), []
    network.epochs_to_train = 1
    with np.errstate(all="ignore"):  # a step that is too long ends in numbers that are none
        for epoch in range(1, epochs + 1):
            network.train_neural_network()
            train = [(network.predict(*x) - y) ** 2 / 2 for x, y in network.training_points]
            dev = [(network.predict(*x) - 7 * x[0]) ** 2 / 2 for x in network.testing_points]
            rows.append({"loss": (float(np.mean(train)), float(np.mean(dev)))})
            print(f"epoch {epoch:2}: loss", *rows[-1]["loss"])
    return rows
'''

ROWS = """    return [
        {
            "misread": tuple(100 - 100 * row[f"{part}_accuracy"] for part in ("train", "dev")),
            "loss": (row["train_loss"], row["dev_loss"]),
        }
        for row in run.history
    ]
"""

NUMPY = '''
def curve(epochs=10):
    """Train with 2,000 digits, read 1,000 others; return errors and losses for each epoch."""
    (images, labels), _ = utils.read_mnist()
    x, y = utils.flat(images[:3000]), labels[:3000].astype(np.int64)
    params = initialise([28 * 28, 64, 10], np.random.default_rng(0))
    run = utils.Run(epochs, seed=0, quiet=False)
    with np.errstate(all="ignore"), contextlib.suppress(utils.UserError):  # loss no longer a number
        {train}(params, (x[:2000], y[:2000]), (x[2000:], y[2000:]), run, batch_size=32)
'''

DIGITS = """    (images, labels), _ = utils.read_mnist()
    x = torch.from_numpy(utils.as_floats(images[:{count}]))[:, None]  # (N, 1, 28, 28)
    y = labels[:{count}].astype(np.int64)
"""
PAIRS = """    partners = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    x, y = {compose}(x, x[partners]), np.stack([y, y[partners]])  # (N, 1, 42, 28), (2, N)
"""
SETS = """    train = {ours}batchify_data(x[:{split}], y[..., :{split}], 32)
    dev = {ours}batchify_data(x[{split}:], y[..., {split}:], 64, drop_last=False)
    torch.manual_seed(0)
"""
EPOCHS = """    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    rows = []
    for epoch in range(1, epochs + 1):
        {learn}
        read = {ours}run_epoch(dev, model.eval(), None)
        losses, accuracies = ([float(np.mean(part[i])) for part in (learned, read)] for i in (0, 1))
        rows.append({{"misread": [100 - 100 * share for share in accuracies], "loss": losses}})
        numbers = np.round([*rows[-1]["misread"], *losses], 3)
        print(f"epoch {{epoch}}: misread, %, in training and of dev, and losses:", *numbers)
    return rows
"""
FIT = """    layers = Flatten(), nn.Linear(784, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2)
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    run = utils.Run(epochs, seed=0, quiet=False)
    how = {{"momentum": 0.9, "nesterov": True, "averaging": 0.9{more}}}
    train_model(train, dev, model, lr=0.05, n_epochs=epochs, run=run, **how)
"""
HEAD = '''
def curve(epochs={epochs}):
    """Train with two thirds of {count:,}, read the rest; return errors and losses by epoch."""
'''
EPOCH = "learned = {ours}run_epoch(train, model.train(), optimizer)"
BATCH_BY_BATCH = """losses, shares = [], []
        for batch in train:
            shares.append(compute_accuracy(model.train()(batch["x"]).argmax(1), batch["y"]))
            losses.append(run_epoch([batch], model, optimizer)[0])
        learned = losses, shares"""
PLAINLY = """train_plainly(model, train, 0.1, 1)
        learned = train_utils.run_epoch(train, model.eval(), None)"""


def numpy_ending(train):
    """Return the end of a case of lesson 1."""
    return NUMPY.format(train=train) + ROWS


def loop_ending(model, *, epoch=EPOCH, ours="train_utils.", compose="", count=3000, epochs=8):
    """Return the end of a case that trains a model in PyTorch; with `compose` it reads pairs."""
    pairs = PAIRS.format(compose=compose) if compose else ""
    words = {"ours": ours, "count": count, "split": count * 2 // 3, "epochs": epochs}
    text = (
        HEAD + DIGITS + pairs + SETS + f"    model = {model}\n" + EPOCHS.replace("{learn}", epoch)
    )
    return text.format(**words)


def training_ending(more=""):
    """Return the end of a case of train_model."""
    text = (HEAD + DIGITS + SETS).format(ours="", count=3000, split=2000, epochs=8)
    return text + FIT.format(more=more) + ROWS


# ------------------------------------------------------------------------------ the parts

RELU = ["rectified_linear_unit", "rectified_linear_unit_derivative"]
PART_1 = [*RELU, "output_layer_activation", "output_layer_activation_derivative", "NeuralNetwork"]
NETWORK = ["initialise", "forward", "log_softmax", "softmax_cross_entropy", "backward", "evaluate"]
PART_2 = [*RELU, "HIDDEN", "BATCH_SIZE", "PLAIN", *NETWORK, "train_plain"]
CHOSEN = ["HIDDEN", "BATCH_SIZE", "LEARNING_RATE", "MOMENTUM", "ADVERSARIAL", "WARM_UP"]
IDEAS = ["half_cosine", "momentum_step", "image_gradient", "adversarial_step", "train_better"]
PART_3 = [*RELU, *NETWORK, *CHOSEN, *IDEAS]
ONE_EPOCH = ["Flatten", "batchify_data", "compute_accuracy", "logits_of", "losses_of", "run_epoch"]
ADDED = ["adversarial_examples", "harder_part", "one_cycle", "moving_average"]
SAVED = ["save_and_restore", "arrays_of", "load_arrays"]
TRAINING = ["WARM_UP", *ONE_EPOCH, "train_model", *ADDED, *SAVED]
DESIGNS = ["ours", "quick", "strided", "lenet5", "pytorch_example", "DESIGNS"]

SIMPLE = "nn.Sequential(Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))"
NORMED = SIMPLE.replace("Flatten(), ", "Flatten(), nn.BatchNorm1d(784), ")
TWO_HEADS = "mlp.MLP(42 * 28, [64])"
COMPOSE = "utils_multiMNIST.compose"


def parts_of(step):
    """Return (names cut from the step's file, the lines that train them)."""
    name, first = step.name, step.functions[0]
    if first.startswith("NeuralNetwork") or first == "output_layer_activation":
        return PART_1, SMALL
    if step.file == "neural_nets.py":
        plain = first in PART_2
        return (
            (PART_2, numpy_ending("train_plain"))
            if plain
            else (PART_3, numpy_ending("train_better"))
        )
    if name.startswith("nnet_cnn."):
        return ["stage", *DESIGNS, "build_model"], loop_ending(
            "build_model('ours', 0.5)", count=900, epochs=6
        )
    return TORCH[name]


TORCH = {
    "train_plainly": (["train_plainly"], loop_ending(SIMPLE.replace("Fl", "nn.Fl"), epoch=PLAINLY)),
    "batchify_data": (ONE_EPOCH, loop_ending(SIMPLE, ours="")),
    "compute_accuracy": (ONE_EPOCH, loop_ending(SIMPLE, ours="", epoch=BATCH_BY_BATCH)),
    "run_epoch": (ONE_EPOCH, loop_ending(NORMED, ours="")),
    "run_epoch.two_heads": (ONE_EPOCH, loop_ending(TWO_HEADS, ours="", compose=COMPOSE)),
    "train_model": (TRAINING, training_ending()),
    "one_cycle": (TRAINING, training_ending(', "schedule": one_cycle')),
    "adversarial_examples": (TRAINING, training_ending(', "adversarial": 1.0')),
    "nnet_fc.build_model": (
        ["ACTIVATIONS", "build_model"],
        loop_ending('build_model([64, 32], "tanh")'),
    ),
    "compose": (["img_rows", "compose"], loop_ending(TWO_HEADS, compose="compose")),
    "MLP": (["MLP", "HIDDEN"], loop_ending("MLP(42 * 28, [64, 32])", compose=COMPOSE)),
    "CNN": (["stage", "CNN"], loop_ending("CNN()", compose=COMPOSE, count=900, epochs=5)),
}

MAIN = """

if __name__ == "__main__":
    curve()
"""


def wrong_text(number):
    """Return our file with the mistake of a case in it; cases are counted from 1."""
    mistake = CASES[number - 1]
    step = BY_NAME[mistake.step]
    return source.with_edits(step.file, step.functions, mistake.edits)
