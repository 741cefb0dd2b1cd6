# ruff: noqa - a learner's file: plain arrays and a forward pass of its own
import numpy as np


def rectified_linear_unit(x):
    return np.maximum(0.0, x)


def rectified_linear_unit_derivative(x):
    return np.where(np.asarray(x) > 0, 1.0, 0.0)


def output_layer_activation(x):
    return x


def output_layer_activation_derivative(x):
    return np.ones_like(np.asarray(x, dtype=float))


class NeuralNetwork:
    def __init__(self):
        self.input_to_hidden_weights = np.ones((3, 2))
        self.hidden_to_output_weights = np.ones((1, 3))
        self.biases = np.zeros((3, 1))
        self.learning_rate = 0.001
        self.epochs_to_train = 10
        self.training_points = [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)]
        self.testing_points = [(1, 1), (2, 2), (3, 3), (5, 5), (10, 10)]

    def forward(self, x):
        z = self.input_to_hidden_weights @ x + self.biases
        a = rectified_linear_unit(z)
        return z, a, output_layer_activation(self.hidden_to_output_weights @ a)

    def train(self, x1, x2, y):
        x = np.array([[x1], [x2]], dtype=float)
        z, a, prediction = self.forward(x)
        error = prediction - y
        dW2 = error @ a.T
        db = (self.hidden_to_output_weights.T @ error) * rectified_linear_unit_derivative(z)
        dW1 = db @ x.T
        self.hidden_to_output_weights -= self.learning_rate * dW2
        self.input_to_hidden_weights -= self.learning_rate * dW1
        self.biases -= self.learning_rate * db

    def predict(self, x1, x2):
        return float(self.forward(np.array([[x1], [x2]], dtype=float))[2][0, 0])

    def train_neural_network(self):
        for _ in range(self.epochs_to_train):
            for (x1, x2), y in self.training_points:
                self.train(x1, x2, y)

    def test_neural_network(self):
        for x1, x2 in self.testing_points:
            prediction = self.predict(x1, x2)
            verdict = "ok" if abs(prediction - 7 * x1) < 0.1 else "WRONG"
            print(f"({x1}, {x2}) -> {prediction:.4f} {verdict}")


if __name__ == "__main__":
    network = NeuralNetwork()
    network.train_neural_network()
    network.test_neural_network()
