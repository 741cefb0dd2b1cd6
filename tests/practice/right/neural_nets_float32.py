"""Part 1 in 32 bits, updated in place; the lists of points are tuples."""

import numpy as np


class NeuralNetwork:
    def __init__(self):
        self.input_to_hidden_weights = np.ones((3, 2), np.float32)
        self.hidden_to_output_weights = np.ones((1, 3), np.float32)
        self.biases = np.zeros((3, 1), np.float32)
        self.learning_rate = 0.001
        self.epochs_to_train = 10
        self.training_points = [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)]
        self.testing_points = [(1, 1), (2, 2), (3, 3), (5, 5), (10, 10)]

    def forward(self, x1, x2):
        x = np.array([[x1], [x2]], np.float32)
        z = self.input_to_hidden_weights.dot(x) + self.biases
        h = np.maximum(z, 0)
        u = self.hidden_to_output_weights.dot(h)
        return x, z, h, u, u

    def train(self, x1, x2, y):
        x, z, h, _, o = self.forward(x1, x2)
        step = self.learning_rate * (o.item() - y)
        hidden = step * self.hidden_to_output_weights.T * (z > 0)
        self.hidden_to_output_weights -= step * h.T
        self.input_to_hidden_weights -= np.outer(hidden, x)
        self.biases -= hidden

    def predict(self, x1, x2):
        return self.forward(x1, x2)[-1].item()

    def train_neural_network(self):
        done = 0
        while done < self.epochs_to_train:
            for point, y in self.training_points:
                self.train(*point, y)
            done += 1

    def test_neural_network(self):
        for x1, x2 in self.testing_points:
            wrong = abs(self.predict(x1, x2) - 7 * x1) >= 0.1
            print(x1, x2, "FAILED" if wrong else "passed")
