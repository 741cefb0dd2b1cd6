# ruff: noqa - a learner's file: the course's train_utils.py for one digit
from tqdm import tqdm
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Flatten(nn.Module):
    def forward(self, input):
        return input.view(input.size(0), -1)


def batchify_data(x_data, y_data, batch_size):
    N = len(x_data) // batch_size * batch_size
    batches = []
    for i in range(0, N, batch_size):
        batches.append({
            'x': torch.tensor(np.array(x_data[i:i + batch_size]), dtype=torch.float32),
            'y': torch.tensor(np.array(y_data[i:i + batch_size]), dtype=torch.long),
        })
    return batches


def compute_accuracy(predictions, y):
    return np.mean(np.equal(predictions.numpy(), y.numpy()))


def train_model(train_data, dev_data, model, lr=0.01, momentum=0.9, nesterov=False, n_epochs=30):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, nesterov=nesterov)
    for epoch in range(1, n_epochs + 1):
        print("Epoch {}".format(epoch))
        loss, acc = run_epoch(train_data, model.train(), optimizer)
        print('Train loss: {:.6f} | Train accuracy: {:.6f}'.format(loss, acc))
        val_loss, val_acc = run_epoch(dev_data, model.eval(), optimizer)
        print('Val loss: {:.6f} | Val accuracy: {:.6f}'.format(val_loss, val_acc))
    return val_acc


def run_epoch(data, model, optimizer):
    losses = []
    batch_accuracies = []
    is_training = model.training
    for batch in tqdm(data):
        x, y = batch['x'], batch['y']
        out = model(x)
        predictions = torch.argmax(out, dim=1)
        batch_accuracies.append(compute_accuracy(predictions, y))
        loss = F.cross_entropy(out, y)
        losses.append(loss.data.item())
        if is_training:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return np.mean(losses), np.mean(batch_accuracies)
