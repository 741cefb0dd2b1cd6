"""Tiny models for run_epoch and train_model, which keep a diary of who called them and how.

The submission's process trains them with the learner's functions, the grader trains the same ones
rightly and compares.
"""

import torch
from torch import nn

FEATURES, CLASSES = 4, 10


class Reader(nn.Module):
    """A linear reader of one label; diary: (training?, (B, FEATURES) input, dropped?) per call."""

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
