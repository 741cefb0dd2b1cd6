"""Wrong solutions of the four scripts, from the mistakes that learners make: small edits to right ones.

An entry is a name, words that a message has to say, and pairs (what stands in the base, what stands
there instead); the bases lie beside this file.
"""
# ruff: noqa: E501 - what a learner writes on one line stands on one line

from tests.submissions.edits import edited

FULLY_CONNECTED = edited(
    "course",
    "nnet_fc",
    (
        "fc_softmax",
        "softmax before the cross-entropy",
        ("nn.Linear(128, 10),\n", "nn.Linear(128, 10),\n              nn.Softmax(dim=1),\n"),
    ),
    (
        "fc_softmax_over_batch",
        "over the pictures of a batch",
        ("nn.Linear(128, 10),\n", "nn.Linear(128, 10),\n              nn.Softmax(dim=0),\n"),
    ),
    (
        "fc_sigmoid",
        "squashed",
        ("nn.Linear(128, 10),\n", "nn.Linear(128, 10),\n              nn.Sigmoid(),\n"),
    ),
    (
        "fc_nine_classes",
        "IndexError: Target 9 is out of bounds",
        ("nn.Linear(128, 10)", "nn.Linear(128, 9)"),
    ),
    ("fc_sizes_disagree", "expects 64 numbers", ("nn.Linear(128, 10)", "nn.Linear(64, 10)")),
    (
        "fc_labels_not_shuffled",
        "do not belong to the pictures",
        ("    y_train = [y_train[i] for i in permutation]\n", ""),
    ),
    (
        "fc_dev_in_training",
        "dev set is part of the training set",
        ("    X_train = X_train[:dev_split_index]\n", ""),
        ("    y_train = y_train[:dev_split_index]\n", ""),
    ),
    (
        "fc_trains_on_test",
        "pictures of the test set",
        ("train_model(train_batches, dev", "train_model(train_batches + test_batches, dev"),
    ),
    (
        "fc_test_not_in_eval",
        "model.eval() is missing",
        ("model.eval(), None", "model.train(), None"),
    ),
    (
        "fc_dev_labels_uncut",
        "do not belong to the pictures",
        ("y_dev = y_train[dev_split_index:]", "y_dev = y_train[:300]"),
    ),
    (
        "fc_never_trains",
        "trains no model",
        ("    train_model(train_batches, dev_batches, model, lr=lr, momentum=momentum)\n", ""),
    ),
)

CONVOLUTIONAL = edited(
    "course",
    "nnet_cnn",
    (
        "cnn_without_convolution",
        "no convolution",
        ("              nn.Conv2d(1, 32, (3, 3)),\n", ""),
        ("              nn.MaxPool2d((2, 2)),\n", ""),
        ("              nn.Conv2d(32, 64, (3, 3)),\n", ""),
        ("              nn.MaxPool2d((2, 2)),\n", ""),
        ("nn.Linear(1600, 128)", "nn.Linear(784, 128)"),
    ),
    (
        "cnn_wrong_size",
        "expects 1024 numbers of each picture and gets 1600",
        ("nn.Linear(1600", "nn.Linear(1024"),
    ),
    ("cnn_not_flattened", "main() ends with", ("              Flatten(),\n", "")),
    (
        "cnn_not_reshaped",
        "main() ends with",
        ("    X_train = np.reshape(X_train, (X_train.shape[0], 1, 28, 28))\n", ""),
        ("    X_test = np.reshape(X_test, (X_test.shape[0], 1, 28, 28))\n", ""),
    ),
    (
        "cnn_softmax",
        "softmax before the cross-entropy",
        ("nn.Linear(128, 10),\n", "nn.Linear(128, 10),\n              nn.Softmax(dim=1),\n"),
    ),
    (
        "cnn_functional_dropout",
        "dropout stays on in eval",
        (
            "def main",
            "class Drop(nn.Module):\n    def forward(self, x):\n        return F.dropout(x, 0.5)\n\n\ndef main",
        ),
        ("nn.Dropout(0.5)", "Drop()"),
    ),
    ("cnn_undefined_layer", "NameError", ("nn.ReLU()", "ReLU6x()")),
    (
        "cnn_labels_sorted",
        "do not belong to the pictures",
        ("[y_train[i] for i in permutation]", "sorted(y_train)"),
    ),
)

FORWARD_MLP = "        h = F.relu(self.hidden(xf))\n"
OWN_LOOP = """    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        for batch in train_batches:
            optimizer.zero_grad()
            out1, out2 = model(batch['x'])
            loss = F.cross_entropy(out1, batch['y'][0]) + F.cross_entropy(out2, batch['y'][1])
            loss.backward()
            optimizer.step()
"""
TRAINING = "    train_model(train_batches, dev_batches, model)\n"
TWO_HEADED_MLP = edited(
    "course",
    "mlp",
    (
        "mlp_own_loop_first_labels",
        "the second head is trained on the first digit's labels",
        (TRAINING, OWN_LOOP.replace("['y'][1]", "['y'][0]")),
    ),
    (
        "mlp_own_loop_softmax",
        "softmax before the cross-entropy",
        (TRAINING, OWN_LOOP.replace("(out2,", "(F.softmax(out2, dim=1),")),
    ),
    (
        "mlp_own_loop_without_step",
        "no weight changes",
        (TRAINING, OWN_LOOP.replace("            optimizer.step()\n", "")),
    ),
    (
        "mlp_own_loop_other_model",
        "no weight changes",
        (TRAINING, OWN_LOOP.replace("model.parameters()", "MLP(1176).parameters()")),
    ),
    (
        "mlp_same_columns",
        "same ten columns",
        ("out_second_digit = self.out2(h)", "out_second_digit = self.out1(h)"),
    ),
    (
        "mlp_slices_overlap",
        "same ten columns",
        ("nn.Linear(64, 10)\n        self.out2", "nn.Linear(64, 20)\n        self.out2"),
        ("self.out1(h)", "self.out1(h)[:, :10]"),
        ("self.out2(h)", "self.out1(h)[:, :10]"),
    ),
    (
        "mlp_slices_share_some",
        "share 1 of their ten columns",
        ("nn.Linear(64, 10)\n        self.out2", "nn.Linear(64, 19)\n        self.out2"),
        ("self.out1(h)", "self.out1(h)[:, :10]"),
        ("self.out2(h)", "self.out1(h)[:, 9:]"),
    ),
    (
        "mlp_twenty_columns",
        "one tensor",
        (
            "return out_first_digit, out_second_digit",
            "return torch.cat([out_first_digit, out_second_digit], dim=1)",
        ),
    ),
    (
        "mlp_one_head",
        "one tensor",
        ("return out_first_digit, out_second_digit", "return out_first_digit"),
    ),
    (
        "mlp_softmax",
        "softmax before the cross-entropy",
        ("self.out1(h)", "F.softmax(self.out1(h), dim=1)"),
        ("self.out2(h)", "F.softmax(self.out2(h), dim=1)"),
    ),
    ("mlp_softmax_one_head", "(head 2)", ("self.out2(h)", "F.softmax(self.out2(h), dim=1)")),
    ("mlp_tanh", "squashed", ("self.out1(h)", "torch.tanh(self.out1(h))")),
    ("mlp_argmax", "gives 6 for 6 pictures", ("self.out1(h)", "self.out1(h).argmax(1)")),
    (
        "mlp_dropout_in_eval",
        "dropout stays on in eval",
        (FORWARD_MLP, FORWARD_MLP + "        h = F.dropout(h, 0.5)\n"),
    ),
    ("mlp_fixed_batch", "forward on pictures", ("xf = self.flatten(x)", "xf = x.view(64, -1)")),
    ("mlp_not_flattened", "not flattened", ("xf = self.flatten(x)", "xf = x")),
    (
        "mlp_mixes_pictures",
        "depends on the other pictures",
        (FORWARD_MLP, FORWARD_MLP + "        h = h - h.mean(0)\n"),
    ),
    (
        "mlp_scrambles_pictures",
        "depends on the other pictures",
        ("xf = self.flatten(x)", "xf = self.flatten(x).t().reshape(x.shape[0], -1)"),
    ),
    (
        "mlp_layer_in_forward",
        "not registered",
        (FORWARD_MLP, "        h = F.relu(nn.Linear(1176, 64)(xf))\n"),
    ),
    (
        "mlp_layers_in_list",
        "not registered",
        (
            "self.hidden = nn.Linear(input_dimension, 64)",
            "self.layers = [nn.Linear(input_dimension, 64)]",
        ),
        ("self.hidden(xf)", "self.layers[0](xf)"),
    ),
    (
        "mlp_detached",
        "gets no gradient",
        (FORWARD_MLP, "        h = F.relu(self.hidden(xf)).detach()\n"),
    ),
    ("mlp_data", "gets no gradient", ("self.out2(h)", "self.out2(h).data")),
    ("mlp_constant_head", "does not look at the picture", ("self.out2(h)", "self.out2(h * 0)")),
    (
        "mlp_first_labels_twice",
        "the second head is trained on the first digit's labels",
        (
            "[y_train[0][:dev_split_index], y_train[1][:dev_split_index]]",
            "[y_train[0][:dev_split_index], y_train[0][:dev_split_index]]",
        ),
    ),
    (
        "mlp_second_not_shuffled",
        "labels of the second digit do not belong",
        ("[y_train[1][i] for i in permutation]", "y_train[1]"),
    ),
    (
        "mlp_dev_labels_doubled",
        "the second head is compared on dev with the first digit's labels",
        (
            "[y_train[0][dev_split_index:], y_train[1][dev_split_index:]]",
            "[y_train[0][dev_split_index:], y_train[0][dev_split_index:]]",
        ),
    ),
    ("mlp_no_super", "cannot assign module", ("        super(MLP, self).__init__()\n", "")),
    ("mlp_no_return", "NoneType", ("        return out_first_digit, out_second_digit\n", "")),
    (
        "mlp_wrong_sizes",
        "expects 32 numbers",
        ("self.out2 = nn.Linear(64, 10)", "self.out2 = nn.Linear(32, 10)"),
    ),
)

TWO_HEADED_CNN = edited(
    "course",
    "conv",
    (
        "conv_no_convolution",
        "no convolution",
        ("self.conv1 = nn.Conv2d(1, 16, (3, 3))", "self.conv1 = nn.Identity()"),
        ("self.conv2 = nn.Conv2d(16, 32, (3, 3))", "self.conv2 = nn.Identity()"),
        ("32 * 9 * 5", "10 * 7"),
    ),
    ("conv_wrong_size", "expects 1280 numbers", ("32 * 9 * 5", "32 * 10 * 4")),
    ("conv_same_head", "same ten columns", ("self.out2(x)", "self.out1(x)")),
    (
        "conv_softmax",
        "softmax before the cross-entropy",
        ("self.out1(x)", "torch.softmax(self.out1(x), 1)"),
        ("self.out2(x)", "torch.softmax(self.out2(x), 1)"),
    ),
    (
        "conv_dropout_in_eval",
        "dropout stays on in eval",
        ("x = self.dropout(x)", "x = F.dropout(x, p=0.5)"),
    ),
    (
        "conv_no_grad",
        "gets no gradient",
        (
            "        x = self.flatten(x)\n",
            "        with torch.no_grad():\n            x = self.flatten(x)\n",
        ),
        (
            "        x = self.pool(F.relu(self.conv2(x)))",
            "        x = self.pool(F.relu(self.conv2(x))).detach()",
        ),
    ),
    (
        "conv_view_mixes",
        "gives 12 x 10 for 6 pictures",
        ("self.flatten(x)", "x.view(-1, 32 * 9 * 5 // 2).repeat(1, 2)"),
    ),
    (
        "conv_shuffled_apart",
        "do not belong to the pictures",
        (
            "    X_train = [X_train[i] for i in permutation]\n",
            "    X_train = [X_train[i] for i in permutation]\n    np.random.shuffle(permutation)\n",
        ),
    ),
    (
        "conv_other_class",
        "has no CNN",
        ("class CNN", "class ConvNet"),
        ("super(CNN", "super(ConvNet"),
        ("CNN(input", "ConvNet(input"),
    ),
    (
        "conv_batch_statistics",
        "depends on the other pictures",
        (
            "        self.dropout",
            "        self.norm = nn.BatchNorm1d(64, track_running_stats=False)\n        self.dropout",
        ),
        ("x = F.relu(self.hidden(x))", "x = F.relu(self.norm(self.hidden(x)))"),
    ),
    ("conv_no_eval", "model.eval() is missing", ("model.eval(), None", "model.train(), None")),
    (
        "conv_trains_on_test",
        "pictures of the test set",
        ("train_batches, dev_batches, model", "test_batches, dev_batches, model"),
    ),
    (
        "conv_dev_not_cut",
        "dev set is part of the training set",
        ("X_train = X_train[:dev_split_index]", "X_train = X_train[:]"),
        (
            "[y_train[0][:dev_split_index], y_train[1][:dev_split_index]]",
            "[y_train[0][:], y_train[1][:]]",
        ),
    ),
)

WRONG = [*FULLY_CONNECTED, *CONVOLUTIONAL, *TWO_HEADED_MLP, *TWO_HEADED_CNN]
