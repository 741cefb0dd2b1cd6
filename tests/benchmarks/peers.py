"""The well-known examples that bench_peers.py measures, each after its public recipe.

    python tests/benchmarks/peers.py pytorch_example --epochs 4

Each is written afresh here, from what its recipe says: network, optimizer, batches, epochs. It
prints a line after every epoch, the epoch and the accuracy on the 10,000 test digits, which is how
all of them are followed by their users. They read MNIST from Datasets/, so that no download counts.
"""

import argparse
import itertools
import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def digits():
    """Return train_x (60000, 784), train_y, test_x (10000, 784), test_y; x float32 in [0, 1]."""
    import utils

    return utils.get_MNIST_data()


def pytorch_example(epochs, seed):
    """PyTorch's example: pytorch/examples, mnist/main.py.

    Two convolutions, two linear layers, 1.2 million weights; Adadelta from rate 1, times 0.7 after
    every epoch; batches of 64 of all 60,000 digits; 14 epochs. float32.
    """
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.manual_seed(seed)
    train_x, train_y, test_x, test_y = (torch.as_tensor(a) for a in digits())
    train_x, test_x = (((x - 0.1307) / 0.3081).view(-1, 1, 28, 28) for x in (train_x, test_x))
    train_y, test_y = train_y.long(), test_y.long()
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(64 * 12 * 12, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for _ in range(epochs):
        model.train()
        for chosen in torch.randperm(len(train_x)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(train_x[chosen]), train_y[chosen]).backward()
            optimizer.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            read = torch.cat([model(x).argmax(1) for x in test_x.split(1000)])
        yield (read == test_y).float().mean().item()


def train_mnist_fast(epochs, seed):
    """The last recipe of tuomaso/train_mnist_fast (8_Final), made to read 99 % after one epoch.

    Two convolutions with pooling, two linear layers, 215,194 weights; Adam with rate 0.01, betas
    0.7 and 0.9; PyTorch's OneCycleLR; batches of 256 of all 60,000 digits, always in the same
    order; one epoch. Its author measured 99.04 +- 0.07 % with 30 seeds. float32.
    """
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.manual_seed(seed)
    train_x, train_y, test_x, test_y = (torch.as_tensor(a) for a in digits())
    train_x, test_x = (((x - 0.1307) / 0.3081).view(-1, 1, 28, 28) for x in (train_x, test_x))
    order = torch.randperm(len(train_x))  # the author's files hold the digits in one random order
    batches = list(zip(train_x[order].split(256), train_y[order].long().split(256), strict=True))
    model = nn.Sequential(
        nn.Conv2d(1, 24, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(24, 32, 3),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.7, 0.9))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.01, total_steps=epochs * len(batches), cycle_momentum=False
    )
    for _ in range(epochs):
        for x, y in batches:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            read = torch.cat([model(x).argmax(1) for x in test_x.split(2000)])
        yield (read == test_y).float().mean().item()


def keras_convnet(epochs, seed):
    """Keras' example: keras.io/examples/vision/mnist_convnet.

    Two convolutions with pooling, dropout, one dense layer, 34,826 weights; Adam; batches of 128 of
    54,000 digits, a tenth being kept for validation; 15 epochs. On Keras' PyTorch backend.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    train_x, train_y, test_x, test_y = digits()
    train_x, test_x = train_x.reshape(-1, 28, 28, 1), test_x.reshape(-1, 28, 28, 1)
    train_y, test_y = (keras.utils.to_categorical(y, 10) for y in (train_y, test_y))
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    assert model.count_params() == 34_826
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    for epoch in range(epochs):
        model.fit(
            train_x,
            train_y,
            batch_size=128,
            epochs=epoch + 1,
            initial_epoch=epoch,
            validation_split=0.1,
            verbose=0,
        )
        yield model.evaluate(test_x, test_y, verbose=0)[1]


def sklearn_mlp(epochs, seed):
    """scikit-learn's MLPClassifier as it comes: 100 units, Adam, batches of 200 of all digits.

    It stops when its loss has stopped falling (tol) for ten epochs, or after 200.
    """
    from sklearn.neural_network import MLPClassifier

    train_x, train_y, test_x, test_y = digits()
    model, stalled, best = MLPClassifier(random_state=seed), 0, float("inf")
    for _ in range(epochs):
        model.partial_fit(train_x, train_y, classes=range(10))  # one epoch of fit()
        stalled = 0 if model.loss_ < best - model.tol else stalled + 1
        best = min(best, model.loss_)
        yield model.score(test_x, test_y)
        if stalled > model.n_iter_no_change:
            return


def nielsen_network(epochs, seed):
    """Nielsen's textbook network: neuralnetworksanddeeplearning.com, chapter 3 (network2.py).

    784-100-10 sigmoid units, cross-entropy, weight decay (lambda = 5), plain gradient descent at
    rate 0.1, batches of 10 of 50,000 digits, 60 epochs. NumPy, a whole batch at a time.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    train_x, train_y, test_x, test_y = digits()
    x, targets = train_x[:50_000], np.eye(10, dtype=np.float32)[train_y[:50_000]]
    weights = [
        (rng.standard_normal((n, m)) / np.sqrt(n)).astype(np.float32)
        for n, m in itertools.pairwise((784, 100, 10))
    ]
    biases = [rng.standard_normal(m).astype(np.float32) for m in (100, 10)]
    rate, size, shrink = 0.1, 10, 1 - 0.1 * 5.0 / len(x)

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def forward(a):
        hidden = sigmoid(a @ weights[0] + biases[0])
        return hidden, sigmoid(hidden @ weights[1] + biases[1])

    for _ in range(epochs):
        order = rng.permutation(len(x))
        for i in range(0, len(x), size):
            a, t = x[order[i : i + size]], targets[order[i : i + size]]
            hidden, out = forward(a)
            last = out - t  # of the cross-entropy by the last layer's weighted sums
            first = last @ weights[1].T * hidden * (1 - hidden)
            for layer, (below, delta) in enumerate(((a, first), (hidden, last))):
                weights[layer] *= shrink
                weights[layer] -= rate / size * (below.T @ delta)
                biases[layer] -= rate / size * delta.sum(axis=0)
        yield float((forward(test_x)[1].argmax(1) == test_y).mean())


PEERS = {  # function: the package it needs beyond requirements.txt, and the epochs of its recipe
    pytorch_example: ("torch", 14),
    train_mnist_fast: ("torch", 1),
    keras_convnet: ("keras", 15),
    sklearn_mlp: ("scikit-learn", 200),
    nielsen_network: ("numpy", 60),
}


def main():
    """Train one peer and print its accuracy after every epoch."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    names = {peer.__name__: peer for peer in PEERS}
    parser.add_argument("peer", choices=names)
    parser.add_argument("--epochs", type=int, help="default: those of the recipe")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    peer = names[args.peer]
    try:
        epochs = args.epochs or PEERS[peer][1]
        for epoch, accuracy in enumerate(peer(epochs, args.seed), 1):
            print(epoch, f"{accuracy:.4f}", flush=True)
    except ImportError:
        print(
            f"{args.peer} is left out: python -m pip install {PEERS[peer][0]} adds it",
            file=sys.stderr,
        )
        sys.exit(3)


if __name__ == "__main__":
    main()
