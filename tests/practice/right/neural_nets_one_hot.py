"""One-hot labels, float32 in part 1, and the other ways to write what part 2 does."""

import numpy as np


def rectified_linear_unit(x):
    return x * (x > 0)


def rectified_linear_unit_derivative(x):
    return np.heaviside(x, 0.0)


def initialise(sizes, rng, dtype=np.float32):
    params = {}
    for i, (n_in, n_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True), 1):
        params[f"W{i}"] = rng.normal(0, np.sqrt(2 / n_in), (n_in, n_out)).astype(dtype)
        params[f"b{i}"] = np.zeros((n_out,), dtype)
    return params


def forward(params, images, relu=rectified_linear_unit):
    activations = [images]
    count = sum(name.startswith("W") for name in params)
    for i in range(1, count):
        activations.append(relu(np.dot(activations[-1], params[f"W{i}"]) + params[f"b{i}"]))
    return np.dot(activations[-1], params[f"W{count}"]) + params[f"b{count}"], activations


def softmax_cross_entropy(logits, labels):
    one_hot = np.eye(logits.shape[1])[labels]
    shifted = logits - np.max(logits, 1, keepdims=True)
    p = np.exp(shifted) / np.sum(np.exp(shifted), 1, keepdims=True)
    loss = -np.sum(one_hot * np.log(np.maximum(p, 1e-300))) / len(labels)
    return float(loss), (p - one_hot) / len(labels)


def numerical_gradient(loss, array, step=1e-5):
    slopes = []
    for place in range(array.size):
        values = []
        kept = array.flat[place]
        for sign in (-1, 1):
            array.flat[place] = kept + sign * step
            values.append(loss())
        array.flat[place] = kept
        slopes.append((values[1] - values[0]) / step / 2)
    return np.array(slopes).reshape(array.shape)


def momentum_step(params, velocity, grads, rate, momentum):
    for name in params:
        velocity[name][...] = momentum * velocity[name] + grads["d" + name]
        params[name][...] -= rate * (momentum * velocity[name] + grads["d" + name])


def half_cosine(progress):
    return np.cos(np.pi * progress / 2) ** 2


def adversarial_step(params, cache, dlogits, length):
    g = image_gradient(params, cache, dlogits)  # noqa: F821
    norms = np.sqrt(np.sum(g**2, axis=1))[:, None]
    return length * np.divide(g, norms, out=np.zeros_like(g), where=norms > 0)
