# ruff: noqa - a learner's file: the course's train_utils.py for two digits
from tqdm import tqdm
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Flatten(nn.Module):
    def forward(self, input):
        return input.view(input.size(0), -1)


def batchify_data(x_data, y_data, batch_size):
    whole = int(len(x_data) / batch_size) * batch_size
    batches = []
    for i in range(0, whole, batch_size):
        batches.append({
            'x': torch.tensor(np.array(x_data[i:i + batch_size]), dtype=torch.float32),
            'y': torch.tensor(np.array([y_data[0][i:i + batch_size], y_data[1][i:i + batch_size]]),
                              dtype=torch.int64),
        })
    return batches


def compute_accuracy(predictions, y):
    return np.mean(np.equal(predictions.numpy(), y.numpy()))


def train_model(train_data, dev_data, model, lr=0.01, momentum=0.9, nesterov=False, n_epochs=30):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, nesterov=nesterov)
    for epoch in range(1, n_epochs + 1):
        print('epoch', epoch)
        loss, acc = run_epoch(train_data, model.train(), optimizer)
        print('train', loss, acc)
        val_loss, val_acc = run_epoch(dev_data, model.eval(), optimizer)
        print('dev', val_loss, val_acc)
        torch.save(model, 'my_model.pt')


def run_epoch(data, model, optimizer):
    losses_1, losses_2, accuracies_1, accuracies_2 = [], [], [], []
    is_training = model.training
    for batch in tqdm(data):
        x, y = batch['x'], batch['y']
        out1, out2 = model(x)
        accuracies_1.append(compute_accuracy(torch.argmax(out1, dim=1), y[0]))
        accuracies_2.append(compute_accuracy(torch.argmax(out2, dim=1), y[1]))
        loss1 = F.cross_entropy(out1, y[0])
        loss2 = F.cross_entropy(out2, y[1])
        losses_1.append(loss1.data.item())
        losses_2.append(loss2.data.item())
        if is_training:
            optimizer.zero_grad()
            joint = 0.5 * (loss1 + loss2)
            joint.backward()
            optimizer.step()
    loss = np.mean(losses_1), np.mean(losses_2)
    accuracy = np.mean(accuracies_1), np.mean(accuracies_2)
    return loss, accuracy
