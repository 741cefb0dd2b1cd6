"""Sums in the place of means, numpy in the place of torch, and no helper of ours."""

from utils import UserError

import numpy as np
import torch
from torch import nn


class Flatten(nn.Module):
    def forward(self, input):
        return input.contiguous().view(input.size(0), -1)


def batchify_data(x_data, y_data, batch_size, *, drop_last=True):
    x_data, y_data = np.asarray(x_data), np.asarray(y_data)
    count = y_data.shape[-1]
    if count != x_data.shape[0]:
        raise ValueError(f"{len(x_data)} and {count}")
    last = count // batch_size * batch_size if drop_last else count
    return [
        {
            "x": torch.tensor(x_data[i : i + batch_size], dtype=torch.float32),
            "y": torch.tensor(y_data[..., i : i + batch_size], dtype=torch.int64),
        }
        for i in range(0, last, batch_size)
    ]


def compute_accuracy(predictions, y):
    return float(np.mean(np.equal(predictions.numpy(), y.numpy())))


def run_epoch(data, model, optimizer, **more):
    measure = nn.CrossEntropyLoss(reduction="sum")
    smooth = nn.CrossEntropyLoss(label_smoothing=more.get("label_smoothing", 0.0))
    sums, training = [], model.training
    for batch in data:
        x, y = batch["x"], batch["y"]
        if training and more.get("harder"):
            x = more["harder"](x, y)
        with torch.set_grad_enabled(training):
            said = model(x)
            said = said if isinstance(said, (tuple, list)) else [said]
            labels = y.view(len(said), -1)
            objective = torch.stack([smooth(o, t) for o, t in zip(said, labels, strict=True)])
        if training:
            model.zero_grad()
            objective.mean().backward()
            optimizer.step()
            if more.get("scheduler"):
                more["scheduler"].step()
            if more.get("average"):
                more["average"].update_parameters(model)
        pairs = list(zip(said, labels, strict=True))
        losses = [measure(o, t).item() for o, t in pairs]
        hits = [(o.argmax(-1) == t).float().sum().item() for o, t in pairs]
        sums.append([len(x), *losses, *hits])
    if not sums:
        raise UserError("no batch")
    total = np.sum(sums, axis=0)
    figures = (total[1:] / total[0]).tolist()
    heads = len(figures) // 2
    if heads == 1:
        return tuple(figures)
    return tuple(figures[:heads]), tuple(figures[heads:])
