"""Loops over units and examples in the place of products of matrices; other names inside."""

import math

import numpy as np


def rectified_linear_unit(x):
    return np.where(np.asarray(x) > 0, x, 0.0)


def rectified_linear_unit_derivative(x):
    return np.where(np.asarray(x) > 0, 1.0, 0.0)


def output_layer_activation(x):
    return 1.0 * x


class NeuralNetwork:
    def __init__(self):
        self.input_to_hidden_weights = np.ones((3, 2))
        self.hidden_to_output_weights = np.ones((1, 3))
        self.biases = np.zeros((3, 1))
        self.learning_rate = 0.001
        self.epochs_to_train = 10
        self.training_points = [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)]
        self.testing_points = [(1, 1), (2, 2), (3, 3), (5, 5), (10, 10)]

    def sums(self, x1, x2):
        W, b = self.input_to_hidden_weights, self.biases
        return [W[j, 0] * x1 + W[j, 1] * x2 + b[j, 0] for j in range(3)]

    def forward(self, x1, x2):
        sums = self.sums(x1, x2)
        hidden = [max(0.0, s) for s in sums]
        out = sum(self.hidden_to_output_weights[0, j] * hidden[j] for j in range(3))
        columns = [np.array(part, float).reshape(-1, 1) for part in ([x1, x2], sums, hidden)]
        return *columns, np.array([[out]]), np.array([[out]])

    def train(self, x1, x2, y):
        sums = self.sums(x1, x2)
        error = self.predict(x1, x2) - y
        V = self.hidden_to_output_weights.copy()
        for j in range(3):
            self.hidden_to_output_weights[0, j] -= self.learning_rate * error * max(0.0, sums[j])
            if sums[j] > 0:
                self.input_to_hidden_weights[j, 0] -= self.learning_rate * error * V[0, j] * x1
                self.input_to_hidden_weights[j, 1] -= self.learning_rate * error * V[0, j] * x2
                self.biases[j, 0] -= self.learning_rate * error * V[0, j]

    def predict(self, x1, x2):
        return float(self.forward(x1, x2)[3][0, 0])

    def train_neural_network(self):
        for number in range(len(self.training_points) * self.epochs_to_train):
            (x1, x2), y = self.training_points[number % len(self.training_points)]
            self.train(x1, x2, y)

    def test_neural_network(self):
        for x1, x2 in self.testing_points:
            good = abs(self.predict(x1, x2) - 7 * x1) < 0.1
            print(f"point ({x1}, {x2}): {'passed' if good else 'FAILED'}")


def log_softmax(logits):
    result = np.zeros_like(logits, dtype=float)
    for n, row in enumerate(logits):
        top = max(row)
        result[n] = row - top - math.log(sum(math.exp(z - top) for z in row))
    return result


def backward(params, cache, dlogits, relu_derivative=rectified_linear_unit_derivative):
    last, result = len(cache), {}
    delta = dlogits
    for layer in reversed(range(last)):
        result["dW" + str(layer + 1)] = np.einsum("nj,nk->jk", cache[layer], delta)
        result["db" + str(layer + 1)] = np.einsum("nk->k", delta)
        if layer:
            delta = np.einsum("nk,jk->nj", delta, params["W" + str(layer + 1)])
            delta = relu_derivative(cache[layer]) * delta
    return result


def evaluate(params, images, labels):
    total, right = 0.0, 0
    for x, y in zip(images, labels, strict=True):
        logits = forward(params, x[None])[0]  # noqa: F821
        total += softmax_cross_entropy(logits, np.array([y]))[0]  # noqa: F821
        right += int(np.argmax(logits[0])) == y
    return total / len(labels), right / len(labels)
