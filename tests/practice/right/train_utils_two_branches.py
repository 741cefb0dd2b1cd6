"""One branch for one head and one for two, plain floats, and losses put together by hand."""

import utils

import torch
import torch.nn.functional as F
from torch import nn


class Flatten(nn.Module):
    def forward(self, x):
        return torch.flatten(x, 1)


def batchify_data(x_data, y_data, batch_size, *, drop_last=True):
    x, y = torch.as_tensor(x_data).float(), torch.as_tensor(y_data).long()
    if len(x) != y.size(-1):
        raise ValueError("images and labels differ in number")
    batches = []
    for start in range(0, len(x), batch_size):
        part = x[start : start + batch_size]
        if drop_last and len(part) < batch_size:
            break
        labels = y[:, start : start + batch_size] if y.ndim == 2 else y[start : start + batch_size]
        batches.append({"x": part, "y": labels})
    return batches


def compute_accuracy(predictions, y):
    return sum(int(a == b) for a, b in zip(predictions, y, strict=True)) / len(y)


def run_epoch(
    data,
    model,
    optimizer,
    *,
    precision="fp32",
    harder=None,
    label_smoothing=0.0,
    scheduler=None,
    average=None,
):
    if len(list(data)) == 0:
        raise utils.UserError("there is nothing to learn from")
    is_training = model.training
    losses, hits, n = None, None, 0
    for batch in data:
        x, y = batch["x"], batch["y"]
        if is_training and harder is not None:
            x = harder(x, y)
        with torch.set_grad_enabled(is_training):
            out = model(x)
        outs, labels = (list(out), list(y)) if isinstance(out, tuple) else ([out], [y])
        each = [F.nll_loss(F.log_softmax(o, 1), t) for o, t in zip(outs, labels, strict=True)]
        if is_training:
            pairs = zip(outs, labels, strict=True)
            smooth = [F.cross_entropy(o, t, label_smoothing=label_smoothing) for o, t in pairs]
            (sum(smooth) / len(smooth)).backward()
            optimizer.step()
            optimizer.zero_grad()
            if scheduler is not None:
                scheduler.step()
            if average is not None:
                average.update_parameters(model)
        losses, hits = losses or [0.0] * len(outs), hits or [0] * len(outs)
        for head, (o, t) in enumerate(zip(outs, labels, strict=True)):
            losses[head] += each[head].item() * len(t)
            hits[head] += (o.max(1).indices == t).sum().item()
        n += len(x)
    loss, accuracy = tuple(v / n for v in losses), tuple(v / n for v in hits)
    return (loss, accuracy) if len(loss) == 2 else (loss[0], accuracy[0])


def one_cycle(progress):
    return min(progress / 0.3, (1 - progress) / 0.7)
