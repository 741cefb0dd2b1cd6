"""Wrong solutions of train_utils.py, from the mistakes that learners make: small edits to right ones.

An entry is a name, words that a message has to say, and pairs (what stands in the base, what stands
there instead); the bases lie beside this file.
"""
# ruff: noqa: E501 - what a learner writes on one line stands on one line

from tests.submissions.edits import edited

TWO_DIGIT_TRAINING = edited(
    "course",
    "train_utils",
    (
        "second_head_first_labels",
        "the second head is trained on the first digit's labels",
        ("loss2 = F.cross_entropy(out2, y[1])", "loss2 = F.cross_entropy(out2, y[0])"),
    ),
    ("heads_summed", "not averaged over the two heads", ("0.5 * (loss1 + loss2)", "loss1 + loss2")),
    ("first_head_only", "only the first head is trained", ("joint.backward()", "loss1.backward()")),
    (
        "second_head_only",
        "only the second head is trained",
        ("joint = 0.5 * (loss1 + loss2)", "joint = loss2"),
    ),
    (
        "labels_swapped",
        "other digit's labels",
        ("F.cross_entropy(out1, y[0])", "F.cross_entropy(out1, y[1])"),
        ("F.cross_entropy(out2, y[1])", "F.cross_entropy(out2, y[0])"),
    ),
    (
        "second_labels_doubled",
        "second row of labels is the first digit's",
        ("y_data[1][i:i + batch_size]", "y_data[0][i:i + batch_size]"),
    ),
    (
        "second_accuracy_first_labels",
        "second head's accuracy is counted against the first digit's labels",
        ("torch.argmax(out2, dim=1), y[1])", "torch.argmax(out2, dim=1), y[0])"),
    ),
    (
        "accuracy_of_first_twice",
        "accuracy of the first head is given for both",
        (
            "np.mean(accuracies_1), np.mean(accuracies_2)",
            "np.mean(accuracies_1), np.mean(accuracies_1)",
        ),
    ),
    (
        "loss_of_first_twice",
        "loss of the first head is given for both",
        ("losses_2.append(loss2.data.item())", "losses_2.append(loss1.data.item())"),
    ),
    (
        "pairs_by_head",
        "pairs each head's loss with its accuracy",
        ("    return loss, accuracy", "    return (loss[0], accuracy[0]), (loss[1], accuracy[1])"),
    ),
    (
        "labels_by_example",
        "a batch's 'y'",
        ("y_data[1][i:i + batch_size]]),", "y_data[1][i:i + batch_size]]).T,"),
    ),
    (
        "second_labels_unsliced",
        "a batch's 'y'",
        (
            "'y': torch.tensor(np.array([y_data[0][i:i + batch_size], y_data[1][i:i + batch_size]]),\n"
            "                              dtype=torch.int64),",
            "'y': [torch.tensor(y_data[0][i:i + batch_size]), torch.tensor(y_data[1][:7])],",
        ),
    ),
    (
        "eval_trains",
        "run_epoch trains in eval mode",
        ("        if is_training:", "        if optimizer:"),
    ),
    (
        "always_train_mode",
        "into training mode by itself",
        ("    is_training = model.training", "    is_training = model.training\n    model.train()"),
    ),
    (
        "dev_in_train_mode",
        "model.eval() is missing",
        ("run_epoch(dev_data, model.eval()", "run_epoch(dev_data, model"),
    ),
)

ONE_DIGIT_TRAINING = edited(
    "one_digit",
    "train_utils",
    ("flatten_all", "Flatten makes", ("input.view(input.size(0), -1)", "input.view(-1)")),
    ("flatten_fixed", "Flatten", ("input.view(input.size(0), -1)", "input.view(-1, 784)")),
    (
        "flatten_order",
        "changes the order",
        ("input.view(input.size(0), -1)", "input.transpose(0, -1).reshape(input.size(0), -1)"),
    ),
    (
        "x_is_double",
        "torch.float64 where torch.float32",
        ("dtype=torch.float32", "dtype=torch.float64"),
    ),
    (
        "x_is_cut_off",
        "torch.int64 where torch.float32",
        ("dtype=torch.float32", "dtype=torch.int64"),
    ),
    ("y_is_float", "torch.float32 where torch.int64", ("dtype=torch.long", "dtype=torch.float32")),
    (
        "keeps_short_batch",
        "short last batch is kept",
        ("range(0, N, batch_size)", "range(0, len(x_data), batch_size)"),
    ),
    (
        "loses_full_batch",
        "where 2 are right",
        ("len(x_data) // batch_size * batch_size", "(len(x_data) - 1) // batch_size * batch_size"),
    ),
    ("overlapping_batches", "twice", ("range(0, N, batch_size)", "range(0, N - batch_size + 1)")),
    (
        "labels_lag",
        "do not belong together",
        ("y_data[i:i + batch_size]", "y_data[i + 1:i + 1 + batch_size]"),
    ),
    (
        "labels_of_first_batch",
        "do not belong together",
        ("y_data[i:i + batch_size]", "y_data[:batch_size]"),
    ),
    (
        "accuracy_counts",
        "counts the right ones",
        (
            "np.mean(np.equal(predictions.numpy(), y.numpy()))",
            "np.sum(np.equal(predictions.numpy(), y.numpy()))",
        ),
    ),
    (
        "accuracy_per_cent",
        "in per cent",
        (
            "np.mean(np.equal(predictions.numpy(), y.numpy()))",
            "100 * np.mean(np.equal(predictions.numpy(), y.numpy()))",
        ),
    ),
    ("accuracy_of_mistakes", "share of mistakes", ("np.equal", "np.not_equal")),
    (
        "accuracy_all_or_nothing",
        "only if all are right",
        ("np.mean(np.equal(", "float(np.array_equal("),
    ),
    ("no_zero_grad", "zero_grad() is missing", ("            optimizer.zero_grad()\n", "")),
    (
        "zero_grad_before_step",
        "does not train",
        ("            optimizer.zero_grad()\n", ""),
        (
            "            optimizer.step()",
            "            optimizer.zero_grad()\n            optimizer.step()",
        ),
    ),
    ("no_step", "does not train", ("            optimizer.step()\n", "")),
    ("no_backward", "does not train", ("            loss.backward()\n", "")),
    (
        "two_steps",
        "called twice",
        (
            "            optimizer.step()\n",
            "            optimizer.step()\n            optimizer.step()\n",
        ),
    ),
    (
        "step_after_loop",
        "only one step",
        ("            optimizer.step()\n", "    if is_training:\n        optimizer.step()\n"),
    ),
    ("climbs", "steps up", ("loss.backward()", "(-loss).backward()")),
    (
        "softmax_first",
        "softmax before the cross-entropy",
        ("F.cross_entropy(out, y)", "F.cross_entropy(F.softmax(out, dim=1), y)"),
    ),
    ("nll_of_logits", "log_softmax is missing", ("F.cross_entropy(out, y)", "F.nll_loss(out, y)")),
    (
        "summed_loss",
        "loss is not averaged",
        ("F.cross_entropy(out, y)", "F.cross_entropy(out, y, reduction='sum')"),
    ),
    (
        "loss_not_averaged",
        "loss is not averaged over the batches",
        ("return np.mean(losses)", "return np.sum(losses)"),
    ),
    ("last_loss", "loss of its last batch", ("return np.mean(losses)", "return losses[-1]")),
    (
        "last_accuracy",
        "accuracy of its last batch",
        ("np.mean(batch_accuracies)", "batch_accuracies[-1]"),
    ),
    (
        "accuracy_first",
        "accuracy first",
        (
            "np.mean(losses), np.mean(batch_accuracies)",
            "np.mean(batch_accuracies), np.mean(losses)",
        ),
    ),
    (
        "returns_in_loop",
        "stops after its first batch",
        (
            "    return np.mean(losses), np.mean(batch_accuracies)",
            "        return np.mean(losses), np.mean(batch_accuracies)",
        ),
    ),
    ("argmax_over_batch", "run_epoch", ("torch.argmax(out, dim=1)", "torch.argmax(out, dim=0)")),
    (
        "evaluates_always",
        "does not train",
        ("    is_training = model.training", "    is_training = False"),
    ),
    ("trains_always", "trains in eval mode", ("        if is_training:", "        if True:")),
    (
        "eval_needs_optimizer",
        "with optimizer None",
        (
            "    is_training = model.training",
            "    is_training = model.training\n    optimizer.zero_grad()",
        ),
    ),
    (
        "puts_into_eval",
        "into eval mode",
        ("    is_training = model.training", "    is_training = model.training\n    model.eval()"),
    ),
    (
        "trains_in_eval_mode",
        "model.train() is missing",
        ("run_epoch(train_data, model.train()", "run_epoch(train_data, model.eval()"),
        (
            "        if is_training:",
            "        if optimizer is not None and optimizer.param_groups[0].get('fold', True):",
        ),
        (
            "    is_training = model.training\n",
            "    is_training = model.training\n    if not is_training and data is LAST:\n"
            "        optimizer = None\n",
        ),
        ("def run_epoch", "LAST = None\n\n\ndef run_epoch"),
        ("        val_loss", "        global LAST\n        LAST = dev_data\n        val_loss"),
    ),
    (
        "one_epoch_only",
        "only one epoch",
        ("        print('Val loss", "        return val_acc\n        print('Val loss"),
    ),
    ("epoch_too_few", "9 batches", ("range(1, n_epochs + 1)", "range(1, n_epochs)")),
    (
        "momentum_ignored",
        "ignores momentum",
        ("momentum=momentum, nesterov=nesterov)", "momentum=0)"),
    ),
    ("nesterov_ignored", "ignores nesterov", ("nesterov=nesterov)", "nesterov=False)")),
    ("rate_ignored", "ignores lr", ("lr=lr", "lr=0.01")),
    (
        "adam",
        "Adam",
        (
            "torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, nesterov=nesterov)",
            "torch.optim.Adam(model.parameters(), lr=lr)",
        ),
    ),
    (
        "new_optimizer_each_epoch",
        "forgets the momentum",
        (
            '        print("Epoch',
            "        optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, nesterov=nesterov)\n"
            '        print("Epoch',
        ),
    ),
    (
        "returns_train_accuracy",
        "accuracy on the dev data, is right",
        ("    return val_acc", "    return acc"),
    ),
    (
        "trains_on_dev",
        "model.eval() is missing",
        (
            "run_epoch(dev_data, model.eval(), optimizer)",
            "run_epoch(dev_data, model.train(), optimizer)",
        ),
    ),
)

WRONG = [*TWO_DIGIT_TRAINING, *ONE_DIGIT_TRAINING]
