# ruff: noqa - a learner's file
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from train_utils import batchify_data, run_epoch, train_model, Flatten
import utils_multiMNIST as U

path_to_data_dir = '../Datasets/'
use_mini_dataset = True
batch_size = 64
img_rows, img_cols = 42, 28


class CNN(nn.Module):

    def __init__(self, input_dimension):
        super(CNN, self).__init__()
        self.conv1 = nn.Conv2d(1, 16, (3, 3))
        self.conv2 = nn.Conv2d(16, 32, (3, 3))
        self.pool = nn.MaxPool2d((2, 2))
        self.flatten = Flatten()
        self.dropout = nn.Dropout(0.3)
        self.hidden = nn.Linear(32 * 9 * 5, 64)
        self.out1 = nn.Linear(64, 10)
        self.out2 = nn.Linear(64, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = self.flatten(x)
        x = F.relu(self.hidden(x))
        x = self.dropout(x)
        out_first_digit = self.out1(x)
        out_second_digit = self.out2(x)
        return out_first_digit, out_second_digit


def main():
    X_train, y_train, X_test, y_test = U.get_data(path_to_data_dir, use_mini_dataset)

    dev_split_index = int(9 * len(X_train) / 10)
    X_dev = X_train[dev_split_index:]
    y_dev = [y_train[0][dev_split_index:], y_train[1][dev_split_index:]]
    X_train = X_train[:dev_split_index]
    y_train = [y_train[0][:dev_split_index], y_train[1][:dev_split_index]]

    permutation = np.array([i for i in range(len(X_train))])
    np.random.shuffle(permutation)
    X_train = [X_train[i] for i in permutation]
    y_train = [[y_train[0][i] for i in permutation], [y_train[1][i] for i in permutation]]

    train_batches = batchify_data(X_train, y_train, batch_size)
    dev_batches = batchify_data(X_dev, y_dev, batch_size)
    test_batches = batchify_data(X_test, y_test, batch_size)

    input_dimension = img_rows * img_cols
    model = CNN(input_dimension)
    train_model(train_batches, dev_batches, model)

    loss, acc = run_epoch(test_batches, model.eval(), None)
    print('Test loss1: {:.6f}  accuracy1: {:.6f}  loss2: {:.6f}   accuracy2: {:.6f}'.format(loss[0], acc[0], loss[1], acc[1]))


if __name__ == '__main__':
    np.random.seed(12321)
    torch.manual_seed(12321)
    main()
