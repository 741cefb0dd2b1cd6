"""What can be wrong with a solution: each known mistake by a key, in words, and with a question.

The question is what a learner gets who asks for a hint. It leads to the mistake and does not name
it, so mistakes of one kind share a question. Words in braces are filled in where the mistake is
found. `python tests/grade.py --class-report` counts by the key.
"""

# question: {key: the mistake in words}
TOPICS = {
    "What does this function give for 2, for -2, for 0.3 and for 250, by the formula and by yours?": {
        "function": "{name} is wrong",
        "lets_negative_through": "{name} lets negative x through",
        "min_for_max": "{name} is 0 above zero, min for max",
        "sign_turned": "{name}: the sign is the wrong way round",
        "leaky": "{name} is a leaky ReLU",
        "abs": "{name} is abs(x)",
        "capped": "{name} has a ceiling: it stops growing somewhere",
        "threshold": "{name} begins to let x through at another point than zero",
        "smooth": "{name} is a smooth curve near zero, not a sharp bend",
        "is_derivative_of_relu": "{name} is the derivative of the ReLU",
        "whole": "{name} is cut off to whole numbers",
        "sigmoid": "{name} is a sigmoid",
        "is_relu": "{name} is the ReLU itself",
        "one_below_zero": "{name} is 1 below zero as well",
        "turned": "{name}: 0 and 1 are the wrong way round",
        "is_x": "{name} is x",
        "minus_one_below_zero": "{name} is -1 below zero",
        "one_from_one": "{name} is 1 only from 1 on",
        "leaky_derivative": "{name} is the derivative of a leaky ReLU",
        "always_0": "{name} is always 0",
        "always_half": "{name} is half of what it should be",
        "output_is_relu": "{name} is a ReLU",
        "tanh": "{name} is a tanh",
        "is_its_derivative": "{name} is its derivative",
        "is_the_activation": "{name} is the activation itself",
        "at_zero": "the derivative at 0 is neither 0 nor 1 nor between them",
    },
    "What does the exercise say that a new network starts with?": {
        "start_shape": "{name} has another shape than the exercise's",
        "start_value": "{name} starts with other numbers than the exercise's",
        "start_setting": "{name} is not the exercise's",
        "share": "two networks share their parameters",
    },
    "Write the path from x to the prediction down: which step comes when, and what does each use?": {
        "predict": "predict is wrong",
        "predict_no_bias": "predict ignores the biases",
        "predict_no_bias_relu": "predict ignores the biases and the ReLU",
        "predict_no_relu": "predict leaves out the ReLU of the hidden units",
        "predict_bias_after_relu": "predict adds the biases after the ReLU",
        "predict_bias_on_output_too": "predict adds the biases to the output",
        "predict_bias_on_output": "predict adds the biases to the output, not to the hidden units",
        "predict_bias_twice": "predict adds the biases twice",
        "predict_bias_minus": "predict subtracts the biases",
        "predict_relu_on_output": "predict applies the ReLU to the output as well",
        "predict_swaps": "predict has x1 and x2 the wrong way round",
        "predict_x1": "predict reads x1 for both inputs",
        "predict_x2": "predict reads x2 for both inputs",
        "predict_turned": "predict reads the hidden weights row by row into the wrong shape",
        "predict_first_weights": "predict uses the weights that a network starts with, not those it "
        "has now",
        "predict_no_output_weights": "predict leaves out the output weights",
        "predict_rounds": "predict rounds its result",
        "predict_rough": "predict is right to three figures only: a number of few digits, as "
        "float16, is on the way",
        "predict_cuts": "predict cuts its result off to a whole number",
        "predict_whole_inputs": "predict makes whole numbers of x1 and x2",
        "predict_remembers": "predict remembers an earlier answer: after the parameters have changed "
        "it still gives the old one",
        "predict_changes": "predict changes the {name}: only train may",
    },
    "Which numbers may change between the first line of train and its last, and which must not yet?": {
        "step": "the step of the {name} is wrong, {how}",
        "step_none": "the {name} are not changed at all",
        "step_sign": "the sign of the {sign} is wrong: the step climbs instead of going down",
        "step_twice": "the step of the {name} is twice the right one: the derivative of 1/2 "
        "(prediction - y)^2 is prediction - y, without a 2",
        "step_half": "the step of the {name} is half the right one: the derivative of 1/2 "
        "(prediction - y)^2 is prediction - y, without the 1/2",
        "step_no_rate": "the step of the {name} is not multiplied by the learning rate",
        "step_rate_twice": "the step of the {name} is multiplied by the learning rate twice",
        "step_minus_twice": "the step of the {name} has the wrong sign and is twice as long as it "
        "should be",
        "step_replaces": "the {name} are replaced by the step instead of being moved by it",
        "step_sizes": "train changes the shape of {name}: * multiplies matrices for np.matrix but "
        "element by element for arrays, and broadcasting fills up the rest",
        "later_W2": "the hidden weights were updated with the output weights of after the step",
        "later_error": "the error is worked out anew after the output weights have moved",
        "later_for_output": "the output weights were updated with the {name} of after the step",
        "later_for_biases": "the biases were updated with the output weights of after the step",
        "step_changes": "train takes another step when it is called again",
        "step_memory": "train remembers an earlier call, and steps from its numbers",
        "step_momentum": "the step of the {name} has momentum: the last step is part of it",
        "step_decay": "the {name} also shrink a little in every step: weight decay that nobody asked "
        "for",
        "step_limited": "large errors are cut off: a point far out moves the {name} too little",
        "step_skips_small": "small errors move nothing: the {name} stay when the prediction is nearly "
        "right",
        "clipped": "the {name} are kept between bounds after the step",
        "whole_inputs": "train makes whole numbers of x1 and x2",
        "whole_target": "train makes a whole number of y",
        "step_twice_over": "train takes two steps in one call",
        "step_rough": "the step of the {name} is right to three figures only: a number of few digits, "
        "as float16, is on the way",
    },
    "What does the error do on its way back through the output weights and through the bend?": {
        "slope_of_output": "the step of the {name} takes the ReLU's derivative of the output, not of "
        "the hidden units",
        "train_no_bias": "the forward pass of train leaves out the biases",
        "train_no_relu": "the forward pass of train leaves out the ReLU",
        "train_relu_on_output": "train applies the ReLU to the output as well",
        "loss_for_error": "the step of the {name} uses the loss 1/2 (prediction - y)^2 itself in "
        "place of its derivative, prediction - y",
        "square_for_error": "the step of the {name} uses (prediction - y)^2 in place of prediction - "
        "y",
        "error_without_sign": "the step of the {name} uses the size of the error without its sign",
        "prediction_for_error": "the step of the {name} uses the prediction in place of prediction - "
        "y",
        "sleepers_learn": "the step of the {name} lets only sleeping hidden units learn: the ReLU's "
        "derivative is the wrong way round",
        "swapped_x": "the {name} move as if x1 and x2 were the wrong way round",
        "hidden_no_x": "the hidden weights' gradient leaves out the inputs x1 and x2",
        "hidden_turned": "the hidden weights' gradient is laid out the wrong way round: x times error "
        "in place of error times x",
        "unit_no_slope": "the {gradient} leaves out the ReLU's derivative, so sleeping units learn",
        "unit_no_W2": "the {gradient} leaves out the output weights",
        "unit_bare": "the {gradient} leaves out the output weights and the ReLU's derivative: it is "
        "the error of the output",
        "unit_no_error": "the {gradient} leaves out the error, prediction - y",
        "unit_times_a": "the {gradient} multiplies by what the hidden units give on in place of the "
        "ReLU's derivative",
        "unit_summed": "the {gradient} is added up over the hidden units: each unit has its own",
        "unit_slope_of_error": "the {gradient} is the ReLU's derivative of the error, not the error "
        "times the ReLU's derivative",
        "unit_sum_W2": "the {gradient} adds the output weights up before it reaches the units",
        "output_z": "the output weights' gradient uses what goes into the hidden units in place of "
        "what they give on: the ReLU is missing there",
        "output_no_a": "the output weights' gradient leaves out what the hidden units give on",
        "output_no_error": "the output weights' gradient leaves out the error, prediction - y",
        "output_times_W2": "the output weights' gradient has the output weights themselves in it",
        "output_sum_a": "the output weights' gradient adds the hidden units up",
        "output_prediction": "the output weights' gradient has the prediction in place of what the "
        "hidden units give on",
        "bias_output_gradient": "the biases are moved by the gradient of the output weights",
        "bias_times_x": "the bias gradient is multiplied by {x}",
    },
    "What happens to the step if you double learning_rate, or epochs_to_train, of a network?": {
        "rate_none": "train moves nothing, at whatever learning rate",
        "rate_fixed": "the learning rate is written into train",
        "rate_other": "train does not multiply by self.learning_rate once",
        "rate_changes": "train changes self.learning_rate",
        "epochs_fixed": "the number of epochs is written into train_neural_network",
        "epochs_count": "train_neural_network calls train too often or too rarely",
        "points": "train gets the points wrongly",
        "points_changed": "training_points are not the same after training as before",
        "between": "train_neural_network changes the {name} outside train",
        "learns_not": "the network does not learn the exercise's points",
    },
    "Which two predictions, one too high and one too low, would your test have to tell apart?": {
        "report_same": "test_neural_network says the same of a prediction 0.05 off, which passes, and "
        "of one 0.5 off",
        "report_low": "test_neural_network lets a prediction pass that is 0.5 too low: it is "
        "abs(prediction - 7 x1) that has to be below 0.1",
        "report_strict": "test_neural_network fails a prediction that is 0.05 too low: "
        "abs(prediction - 7 x1) < 0.1 passes",
    },
    "Number six pictures 0 to 5 and print which numbers end up in which batch, beside which labels.": {
        "flatten_shape": "Flatten gives another shape",
        "flatten_order": "Flatten changes the order of the numbers",
        "batch_keys": "a batch has no 'x' and 'y'",
        "x_kind": "a batch's 'x' is no tensor",
        "x_type": "a batch's 'x' is of another type: {name} where torch.float32 is right",
        "x_shape": "a batch's 'x' is of another shape",
        "pixels": "the pixels of a batch are not those of the pictures: {how}",
        "y_rows": "a batch's 'y' does not hold a row of labels for each digit",
        "y_kind": "a batch's 'y' holds no tensors",
        "y_type": "a batch's 'y' is of another type: {name} where torch.int64 is right",
        "y_shape": "a batch's 'y' is of another shape",
        "second_labels": "the second row of labels is the first digit's again",
        "labels_order": "pictures and labels do not belong together: the labels of a batch are its "
        "own, but in another order ({how})",
        "labels_other": "pictures and labels do not belong together",
        "picture_twice": "batchify_data uses a picture twice",
        "batch_count": "batchify_data makes too few or too many batches",
        "pictures_left_out": "batchify_data leaves pictures out",
        "first_dropped": "batchify_data drops the first examples: what does not fill a batch is "
        "dropped at the end",
        "short_batch": "the short last batch is kept",
        "accuracy": "compute_accuracy is wrong",
        "accuracy_count": "compute_accuracy counts the right ones",
        "accuracy_percent": "compute_accuracy is in per cent",
        "accuracy_mistakes": "compute_accuracy is the share of mistakes",
        "accuracy_count_mistakes": "compute_accuracy counts the mistakes",
        "accuracy_all": "compute_accuracy is 1 only if all are right",
        "accuracy_whole": "compute_accuracy is cut off or rounded to a whole number",
        "accuracy_near": "compute_accuracy counts a prediction as right that is one off",
        "accuracy_divisor": "compute_accuracy is divided by a fixed number, not by the number of examples",
    },
    "Which five things happen to a batch in training, in which order, and which of them in eval?": {
        "answer_kind": "what run_epoch returns is not a pair of loss and accuracy",
        "answer_count": "run_epoch returns too few or too many numbers",
        "trains_wrongly": "run_epoch trains wrongly, {how}",
        "up": "run_epoch steps up the loss, not down",
        "loss_summed": "the loss is not averaged over the examples of a batch",
        "loss_half": "the loss is half of what it should be",
        "softmax_first": "there is a softmax before the cross-entropy, which has one of its own",
        "sigmoid_first": "there is a sigmoid before the cross-entropy",
        "nll": "nll_loss gets the outputs as they are: log_softmax is missing",
        "squares": "the loss is the squared error, not the cross-entropy",
        "smoothed": "the labels are smoothed in the loss",
        "hinge": "the loss is a hinge loss, not the cross-entropy",
        "labels_turned": "the labels that the loss gets are not those of the batch",
        "heads_summed": "the loss is not averaged over the two heads, but added up",
        "first_head": "only the first head is trained",
        "second_head": "only the second head is trained",
        "second_on_first": "the second head is trained on the first digit's labels",
        "first_on_second": "the first head is trained on the second digit's labels",
        "heads_crossed": "each head is trained on the other digit's labels",
        "trains_not": "run_epoch does not train: the weights are the same after it",
        "no_zero_grad": "the gradients add up from batch to batch: optimizer.zero_grad() is missing",
        "two_steps": "optimizer.step() is called twice for a batch",
        "one_step": "run_epoch takes only one step in an epoch, on its last batch",
        "first_batch": "run_epoch stops after its first batch",
        "no_last": "run_epoch leaves out the last batch",
        "no_first": "run_epoch leaves out the first batch",
        "rate_decays": "run_epoch changes the optimizer's learning rate",
        "clips": "the gradients are cut to a length that nobody asked for",
        "train_mode": "run_epoch puts the model into training mode by itself: dropout works while it "
        "evaluates",
        "eval_trains": "run_epoch trains in eval mode",
        "eval_mode": "run_epoch puts a model that is in training mode into eval mode: dropout never "
        "works",
    },
    "Work the mean over two small batches out by hand: which numbers are divided by what, how often?": {
        "averages": "run_epoch reports wrong averages",
        "last_both": "run_epoch reports its last batch, not the average over all",
        "last_loss": "run_epoch reports the loss of its last batch, not the average over all",
        "last_accuracy": "run_epoch reports the accuracy of its last batch, not the average over all",
        "first_both": "run_epoch reports its first batch, not the average over all",
        "all_but_last": "run_epoch reports all batches but the last",
        "softmax_reported": "the loss has a softmax before the cross-entropy, which has one of its "
        "own",
        "accuracy_first": "run_epoch gives the accuracy first and the loss second",
        "loss_over_batches": "the loss is not averaged over the batches",
        "loss_over_examples": "the loss is not averaged over the examples",
        "loss_at_all": "the loss is not averaged at all",
        "loss_averaged_twice": "the loss is averaged twice",
        "accuracy_over_batches": "the accuracy is not averaged over the batches",
        "both_over_batches": "the loss and the accuracy are not averaged over the batches",
        "accuracy_averaged_twice": "the accuracy is averaged twice",
        "accuracy_examples": "the accuracy counts examples in place of their share",
        "accuracy_in_percent": "the accuracy is in per cent, not between 0 and 1",
        "accuracy_of_mistakes": "the accuracy is the share of mistakes",
        "pairs_by_head": "run_epoch pairs each head's loss with its accuracy: ((loss1, loss2), (acc1, "
        "acc2)) is right",
        "accuracy_first_twice": "the accuracy of the first head is given for both",
        "accuracy_second_twice": "the accuracy of the second head is given for both",
        "loss_first_twice": "the loss of the first head is given for both",
        "loss_second_twice": "the loss of the second head is given for both",
        "loss_mean_twice": "the loss given for each head is the mean of the two",
        "loss_sum_twice": "the loss given for each head is the sum of the two",
        "losses_halved": "the losses are halved in the report",
        "heads_change_places": "the two heads change places in the report",
        "accuracies_change_places": "the accuracies of the two heads change places",
        "accuracy_second_by_first": "the second head's accuracy is counted against the first digit's "
        "labels",
        "accuracy_first_by_second": "the first head's accuracy is counted against the second digit's "
        "labels",
        "loss_second_by_first": "the second head's loss is taken against the first digit's labels",
        "both_second_by_first": "the second head's loss and accuracy are taken against the first "
        "digit's labels",
        "heads_by_others": "each head is compared with the other digit's labels",
        "losses_by_others": "the loss of each head is taken against the other digit's labels",
        "accuracies_by_others": "the accuracy of each head is counted against the other digit's "
        "labels",
    },
    "Which settings was train_model given, where does each arrive, and what is dev there for?": {
        "dev_in_training_mode": "train_model is in training mode while it evaluates the dev data: "
        "model.eval() is missing",
        "train_in_eval_mode": "train_model trains in eval mode: model.train() is missing",
        "passes": "train_model passes too few or too many batches of training data in training mode",
        "no_dev": "train_model never evaluates the dev data",
        "optimizer": "train_model does not minimise with the SGD it is told, {how}",
        "model_not": "train_model does not train: the weights are the same after it",
        "epoch_few": "train_model makes one epoch too few",
        "epoch_many": "train_model makes one epoch too many",
        "epoch_one": "train_model makes only one epoch",
        "epoch_30": "train_model makes 30 epochs whatever n_epochs says",
        "trains_on_dev_too": "train_model trains on the dev data as well",
        "trains_on_dev": "train_model trains on the dev data",
        "ignores_lr": "train_model ignores lr",
        "ignores_momentum": "train_model ignores momentum",
        "half_momentum": "train_model halves the momentum it is given",
        "ignores_both": "train_model ignores lr and momentum",
        "adam": "train_model minimises with Adam, not SGD, so momentum means nothing",
        "new_optimizer": "train_model makes a new optimizer in every epoch, which forgets the "
        "momentum",
        "decay": "train_model adds weight decay that nobody asked for",
        "last_layer": "train_model gives the optimizer only some of the model's parameters",
        "restarts": "train_model sets the weights anew in every epoch",
        "ignores_nesterov": "train_model ignores nesterov={name}",
        "returns_other": "train_model returns something else than the accuracy on the dev data",
        "returns_percent": "the accuracy that train_model returns is in per cent",
        "returns_train": "what train_model returns is the accuracy on the training data",
    },
    "Send six pictures through your model: which shape has the answer, and what is in each row?": {
        "returns_nothing": "forward returns nothing: is a return missing?",
        "one_tensor": "forward returns one tensor where two (N, 10), one per digit, are right",
        "result_count": "forward returns {name} results where 2, one per digit, are right",
        "no_tensor": "{name} gives no tensor",
        "answer_shape": "{name} gives {got} where {right} is right",
        "batch_norm_alone": "the answer for a picture depends on the other pictures of its batch: "
        "batch normalisation uses the batch's own statistics in eval",
        "nine_classes": "the last layer has fewer than ten outputs, one for each digit",
        "fixed_batch": "the number of pictures in a batch is written into the model",
        "not_flattened": "the pictures are not flattened before the first linear layer",
        "sizes": "a linear layer expects {expected} numbers of each picture and gets {got}",
        "random_in_eval": "dropout stays on in eval, or something else is random there: the same "
        "pictures give different answers twice",
        "remembers_pictures": "the model remembers the pictures of an earlier call: other pictures "
        "get their answer",
        "mixes_pictures": "the answer for a picture depends on the other pictures of its batch",
        "input_in_place": "forward changes the pictures that it is given, in place",
        "changes_mode": "forward calls eval() or train() itself: it changes the model's mode",
    },
    "What does cross_entropy expect, and which values can your last layer give?": {
        "softmax": "there is a softmax before the cross-entropy, which has one of its own: ten "
        "outputs add up to 1{where}",
        "softmax_batch": "there is a softmax over the pictures of a batch (dim=0): a column of "
        "outputs adds up to 1{where}",
        "squashed": "the outputs are squashed by a sigmoid or tanh before the cross-entropy",
        "zero_weights": "all weights are zero: every picture gets the same answer, and no hidden unit "
        "ever learns another thing than the next",
        "relu_on_logits": "there is a ReLU after the last layer{where}: the outputs never fall below "
        "0, and a class at 0 learns nothing",
        "dropout_on_logits": "there is a dropout after the last layer{where}: it sets answers to 0",
        "main_squashed": "main() has a {name} before the cross-entropy, which has one of its own",
    },
    "Where does each of the two heads get its numbers from, and does all of the picture reach it?": {
        "same_columns": "both heads read the same ten columns: their answers are equal",
        "shared_columns": "the heads share {name} of their ten columns",
        "blind_head": "the {name} head does not look at the picture",
        "half_blind": "{name} sees only part of the picture: its {where} half changes nothing there",
        "shuffled_blind": "{name} sees only how bright the picture is, not where",
        "instances_share": "two models share their weights: a layer is made outside __init__",
    },
    "Follow the loss backwards: which layers does it reach, and which of them does the optimizer know?": {
        "no_gradient": "{name} gets no gradient: detach(), .data, no_grad() or argmax cuts it off",
        "no_parameters": "the model has no parameters: are its layers kept in a plain list?",
        "not_registered": "a layer with weights {name} is not registered and never learns: layers "
        "belong in __init__, as attributes of self or in an nn.ModuleList, not in a list nor into "
        "forward",
        "gradient_infinite": "the gradient of {name} is not a finite number",
        "cut_off": "{name} has a say in the answer but gets no gradient: detach(), .data, no_grad() "
        "or requires_grad=False cuts it off, so it never learns",
        "half_cut_off": "{name} gets no gradient from the {head} head, which it has a say in: a "
        "detach() cuts it off there",
        "no_convolution": "there is no convolution in the model",
        "convolution_unused": "there is no convolution on the way from the picture to the answer: the "
        "layer is made and not used",
    },
    "Which pictures train, which choose, which are reported, and where does main() keep them apart?": {
        "main_nothing": "main() trains no model: no pictures go through one in training mode",
        "no_main": "{name} has no main() and trains nothing when it is run",
        "eval_with_training": "run_epoch gets a model in training mode and no optimizer: model.eval() "
        "is missing where a set is only read",
        "tested_in_training": "the test pictures go through a model in training mode: model.eval() is "
        "missing",
        "weights_still": "main() trains nothing: no weight changes from the first batch to the end. "
        "Is there a loss.backward() and an optimizer.step(), with an optimizer of this model's "
        "parameters?",
        "rate_zero": "the rate is 0, so nothing is learned",
        "rate_negative": "the rate is below 0: the steps climb",
        "no_epochs": "train_model is told to make no epochs: n_epochs is {name}",
        "main_no_zero_grad": "the gradients add up from batch to batch in main(): optimizer.zero_grad() "
        "is missing",
        "main_eval": "the model is trained in eval mode, so its dropout or batch normalisation never "
        "works: model.train() is missing",
        "empty_set": "{name} gets no batch at all",
        "trains_on_test": "the network is trained on pictures of the test set",
        "dev_in_training": "the dev set is part of the training set. The last tenth of the training "
        "data is kept for dev",
        "split_turned": "the split is the wrong way round: most pictures are kept for dev, few are "
        "trained on",
        "few_trained": "only a small part of the training set is trained on",
        "few_tested": "only a small part of the test set is tested on",
        "test_chooses": "the test set is used to choose: {how}. That is what dev is for",
        "dev_reported": "the {name} set is reported as test: no test picture is looked at after the "
        "training",
        "untrained_tested": "what is tested was not trained: {how}",
        "labels_wrong": "the labels{owner} do not belong to the pictures: they were shuffled or cut "
        "apart",
        "labels_shifted": "the labels{owner} are changed: each is {how}",
        "labels_of_other": "the {name} head {verb} the {other} digit's labels",
        "one_class": "the network is trained on pictures of {name} only",
        "turned_pictures": "the pictures of the {name} set are {how}, those of the other sets are not",
        "grey_values": "the {name} pictures have other grey values than the {other} pictures: both "
        "have to be normalised in the same way",
        "scrambled": "the pictures are scrambled by a reshape of the transposed array: each has "
        "pixels of many",
        "black_pictures": "the {name} pictures are all of one grey: nothing of the digits is left",
    },
    "What does the last line of Python's message say, and which line of your file does it name?": {
        "missing": "{owner} has no {name}{why}",
        "raises": "{what} ends with {error}",
        "import_fails": "{name} cannot be imported: {error}",
        "hangs": "{what} does not come to an end within {name} s",
        "dies": "{what} {how}",
        "given_up": "this was not tried after {name} tests that hung or crashed",
        "time_over": "the submission has used up its {name} s",
        "too_much": "{what} hands over too much or what is no answer",
        "is_none": "{what} is None: is a return missing?",
        "no_number": "{what} is of type {name}, not a number",
        "number_count": "{what} is {name} numbers where one is right",
    },
}
MISTAKES = {key: (words, hint) for hint, group in TOPICS.items() for key, words in group.items()}
assert len(MISTAKES) == sum(map(len, TOPICS.values())), "a key stands twice"
