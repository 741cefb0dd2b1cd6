# ruff: noqa - a learner's file: np.matrix, np.vectorize, prints, training while it is imported
import numpy as np


def rectified_linear_unit(x):
    """ max(0, x) for one number """
    return max(0, x)


def rectified_linear_unit_derivative(x):
    if x > 0:
        return 1
    else:
        return 0


def output_layer_activation(x):
    return x


def output_layer_activation_derivative(x):
    return 1


class NeuralNetwork():
    """ two inputs, three hidden units, one output """

    def __init__(self):
        self.input_to_hidden_weights = np.matrix('1. 1.; 1. 1.; 1. 1.')
        self.hidden_to_output_weights = np.matrix('1. 1. 1.')
        self.biases = np.matrix('0.; 0.; 0.')
        self.learning_rate = .001
        self.epochs_to_train = 10
        self.training_points = [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)]
        self.testing_points = [(1, 1), (2, 2), (3, 3), (5, 5), (10, 10)]

    def train(self, x1, x2, y):
        relu = np.vectorize(rectified_linear_unit)
        slope = np.vectorize(rectified_linear_unit_derivative)
        inputs = np.matrix([[x1], [x2]])

        # forward
        z = self.input_to_hidden_weights * inputs + self.biases
        a = relu(z)
        u = self.hidden_to_output_weights * a
        out = output_layer_activation(u)

        # backward
        delta_out = (out - y) * output_layer_activation_derivative(u)
        delta_hidden = np.multiply(self.hidden_to_output_weights.T * delta_out, slope(z))
        grad_biases = delta_hidden
        grad_output = delta_out * a.T
        grad_hidden = delta_hidden * inputs.T

        # descent
        self.biases = self.biases - self.learning_rate * grad_biases
        self.input_to_hidden_weights = self.input_to_hidden_weights - self.learning_rate * grad_hidden
        self.hidden_to_output_weights = self.hidden_to_output_weights - self.learning_rate * grad_output

    def predict(self, x1, x2):
        relu = np.vectorize(rectified_linear_unit)
        inputs = np.matrix([[x1], [x2]])
        a = relu(self.input_to_hidden_weights * inputs + self.biases)
        out = output_layer_activation(self.hidden_to_output_weights * a)
        return out.item()

    def train_neural_network(self):
        for epoch in range(self.epochs_to_train):
            for x, y in self.training_points:
                self.train(x[0], x[1], y)

    def test_neural_network(self):
        for point in self.testing_points:
            guess = self.predict(point[0], point[1])
            print("Point", point, "prediction", guess)
            if abs(guess - 7 * point[0]) < 0.1:
                print("passed")
            else:
                print("failed")


x = NeuralNetwork()
x.train_neural_network()
x.test_neural_network()
