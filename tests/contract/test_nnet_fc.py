"""The contract of nnet_fc.py: main() trains a fully connected reader of one digit."""

from tests.contract import models, stage

import pytest


def prepare(file):
    stage.prepare(file, heads=1, shape=(28, 28))


@pytest.mark.points(2)
def test_main(module):
    """main() trains a model and comes to its end"""
    stage.check_run(module)


@pytest.mark.points(2)
def test_shapes(module):
    """the model turns N pictures into (N, 10), each picture by itself, the same twice in eval"""
    model, shape = stage.trained_model(module)
    models.check_batch_sizes(model, shape, heads=1)


@pytest.mark.points(1)
def test_gradients(module):
    """every weight of the model can learn"""
    model, shape = stage.trained_model(module)
    models.check_gradients(model, shape, heads=1)
    models.remark_on_linearity(model, shape, heads=1)


@pytest.mark.points(2)
def test_pictures(module):
    """dev and test pictures stay out of the training, and labels belong to their pictures"""
    stage.check_pictures(module)


@pytest.mark.points(2)
def test_logits(module):
    """the model's outputs are logits"""
    model, shape = stage.trained_model(module)
    models.check_logits(model, shape, heads=1)
