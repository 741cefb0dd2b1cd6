"""The steps, in the order of the lessons, each with two hints; the third is where ours stands.

The first hint is a question that leads on, the second the formula or the shape to look at. They are
written for somebody who knows Python and what a derivative is, and nothing of machine learning.
"""

import re
from typing import NamedTuple


class Step(NamedTuple):
    name: str
    file: str
    functions: tuple  # what the learner writes; all else is lent
    question: str
    formula: str
    loop: str = ""  # of this loop alone the body is taken out: how its header begins
    after: str = ""  # another step of the same function, which comes first


def one(name, file, question, formula, *, functions=(), loop="", after=""):
    """Return a step; its function is called as the step is, unless others are named."""
    plain = name if name.split(".")[0] not in file else name.split(".", 1)[1]
    return Step(name, file, functions or (plain,), question, formula, loop, after)


PART_1 = [
    one(
        "rectified_linear_unit",
        "neural_nets.py",
        "Which of the two numbers 0 and x is larger if x is 3? And if x is -3? x can also "
        "be an array: then every element is to be compared with 0 by itself. Python's max() "
        "cannot do that. Which function of NumPy can?",
        "max(0, x), element by element: np.maximum(0, x) takes a number or an array. "
        "(np.max is another function: it finds the largest element of one array.)",
    ),
    one(
        "rectified_linear_unit_derivative",
        "neural_nets.py",
        "Draw max(0, x). How steep is the line left of 0, and how steep is it right of 0? "
        "At 0 it bends, and has no slope: choose 0 there.",
        "1 where x > 0, else 0. For an array, x > 0 is an array of True and False; times "
        "1.0 it becomes 1 and 0.",
    ),
    one(
        "output_layer_activation",
        "neural_nets.py",
        "The prediction may be any number, 32 or -5. What must f do to the sum u, so that "
        "nothing is lost? And how fast does this f grow?",
        "f(u) = u, and f'(u) = 1 for every u. If x is an array, give one 1 for each element.",
        functions=("output_layer_activation", "output_layer_activation_derivative"),
    ),
    one(
        "NeuralNetwork.forward",
        "neural_nets.py",
        'Work through the lines under "forward" above, with a pencil, for x1 = 2, x2 = 1, '
        "all weights 1 and all biases 0: what are z, h and o? (3, 3, 3; 3, 3, 3; 9.) Which "
        "product of matrices gives the three z at once, and where do the biases come in: "
        "before ReLU, or after it?",
        "x (2, 1) = np.array([[x1], [x2]], dtype=float); z (3, 1) = W @ x + b; h = relu(z); "
        "u (1, 1) = V @ h; o = f(u). W is self.input_to_hidden_weights, b self.biases, V "
        "self.hidden_to_output_weights. Return x, z, h, u, o: train() needs all of them.",
    ),
    one(
        "NeuralNetwork.predict",
        "neural_nets.py",
        "forward() has computed the prediction already. Which of its five results is it? It "
        "is an array (1, 1); how does one get the number out?",
        "o is the last result, [-1]. array.item() gives the number of an array that holds "
        "only one.",
    ),
    one(
        "NeuralNetwork.train",
        "neural_nets.py",
        "Begin at the end: C = 1/2 (o - y)^2. If o grows a little, how fast does C grow? "
        "That is the error. Now go back one line at a time: which way does each quantity "
        "act on C? Each gradient has the shape of what it belongs to. And last: may V move "
        "before dh has been computed from it?",
        "du = (o - y) f'(u) (1, 1); dV = du @ h.T (1, 3); dh = V.T @ du (3, 1); dz = dh * "
        "relu'(z) (3, 1), element by element; dW = dz @ x.T (3, 2); db = dz (3, 1). When "
        "all six are there, take learning_rate times the gradient off V, W and b. * "
        "multiplies element by element, @ is the product of matrices.",
    ),
    one(
        "NeuralNetwork.train_neural_network",
        "neural_nets.py",
        "One epoch is one pass through all training points, with a step for each. Which two "
        "loops, one in the other, make epochs_to_train passes?",
        "for _ in range(self.epochs_to_train): for (x1, x2), y in self.training_points: "
        "self.train(x1, x2, y)",
    ),
]

PART_2 = [
    one(
        "initialise",
        "neural_nets.py",
        "Layer i leads from sizes[i - 1] units to sizes[i] units: which shape has W_i, if "
        "one example is a row and A @ W must work? Why may all weights not begin with one "
        "value (see the docstring)? And how large is a sum of n random numbers of size 1?",
        "rng.standard_normal((n_in, n_out)) times sqrt(2 / n_in), and np.zeros(n_out). The "
        'names are f"W{i}" and f"b{i}", with i from 1. array.astype(dtype) gives the type '
        "that is asked for.",
    ),
    one(
        "forward",
        "neural_nets.py",
        "It is part 1's forward in a loop over the layers. What does a layer get, and what "
        "does it hand on? Which layer must have no ReLU, because logits may be negative? "
        "And which arrays does backward() need later: what each layer was given, or what it "
        "gave?",
        "There are len(params) // 2 layers. For i = 1, 2, ...: keep A in the cache; Z = A @ "
        "W_i + b_i (N, m_i); A = relu(Z), but A = Z in the last layer. Call the function "
        "that you were given as `relu`. Return the last A and the cache [A_0, ..., "
        "A_(L-1)]; A_0 are the images.",
    ),
    one(
        "log_softmax",
        "neural_nets.py",
        "What is np.exp(1000)? So exp must not get large numbers. What happens to exp(z_k) "
        "/ sum exp(z_c) if you take the same number off all z of a row? And what is the "
        "logarithm of a quotient?",
        "s = z - max(z), then log p = s - log(sum(exp(s))), row by row: axis=1, and "
        "keepdims=True, so that (N, 10) and (N, 1) go together.",
    ),
    one(
        "softmax_cross_entropy",
        "neural_nets.py",
        "An example costs -log of the probability that its right class got. How do you pick "
        "one number out of each row? Indexing with two arrays does it: log_p[rows, labels], "
        "with rows = 0, 1, ..., N-1. And dZ is derived above: what is it in the column of "
        "the right class, and what in the others?",
        "C = -mean of log_p[rows, labels], a float. dZ = (p - t) / N, p = exp(log p): begin "
        "with p, take 1 off at [rows, labels], divide by N. C is a mean, hence the N.",
    ),
    one(
        "backward",
        "neural_nets.py",
        "Take a network with one layer first: Z = A W + b, and dZ is given. Which product "
        "of A and dZ has the shape of W? Why must db be a sum over the examples? Now with "
        "two layers: how does dZ of the last layer become dA of the one before, and which "
        "units pass nothing on?",
        "For i = L, ..., 1: dW_i = A_(i-1).T @ dZ; db_i = dZ.sum(axis=0); and, if i > 1: dA "
        "= dZ @ W_i.T, then dZ = dA * relu'(A_(i-1)). cache[i - 1] is A_(i-1). Call the "
        'function that you were given as relu_derivative. Return {"dW1": ..., "db1": ..., '
        "...}. Then `python neural_nets.py --check-gradients` asks the loss itself.",
    ),
    one(
        "numerical_gradient",
        "neural_nets.py",
        "What is a derivative, before any rule? Move one number a little up, and look at "
        "the loss; a little down, and look again. How far apart are the two points? Which "
        "number must stand in the array when you go on to the next?",
        "For every index of np.ndindex(array.shape): keep = array[index]; loss() at keep + "
        "step and at keep - step; put keep back; gradient[index] = (above - below) / (2 * "
        "step). loss() takes no argument: it sees the array that you change.",
    ),
    one(
        "evaluate",
        "neural_nets.py",
        "Which class does the network choose for an image: the one with which logit? What "
        "share of these choices equals the labels?",
        "logits, _ = forward(params, images); the loss is softmax_cross_entropy(logits, "
        "labels)[0]; the choices are logits.argmax(axis=1); np.mean of True and False is a "
        "share.",
    ),
    one(
        "train_plain",
        "neural_nets.py",
        "The four steps, for a few images at a time: forward, loss, backward, update. "
        "`batch` holds the numbers of the images of this step: how do you get these images, "
        "and their labels? `total` gathers two sums for the report: the loss that you have "
        "is a mean; what makes a sum of it?",
        "x, y = images[batch], labels[batch]; logits, cache = forward(params, x); loss, "
        "dlogits = softmax_cross_entropy(logits, y); grads = backward(params, cache, "
        'dlogits); for every name in params: params[name] -= lr * grads[f"d{name}"] (in '
        "place); total += loss * len(y), number right.",
        loop="for batch in ",
    ),
]

PART_3 = [
    one(
        "half_cosine",
        "neural_nets.py",
        "cos(0) is 1, cos(pi) is -1. How do you stretch and move that, so that it goes from "
        "1 to 0 while progress goes from 0 to 1?",
        "(1 + cos(pi * progress)) / 2",
    ),
    one(
        "momentum_step",
        "neural_nets.py",
        "The velocity must be there again at the next call. Does v = momentum * v + dW "
        "change the array in the dict, or does it make a new one? And which gradient, and "
        "which part of the velocity, is the step made of in Nesterov's form?",
        "In place: v *= momentum; v += dW; then params[name] -= rate * (dW + momentum * v), "
        "with the new v.",
    ),
    one(
        "image_gradient",
        "neural_nets.py",
        "backward() stops at dZ_1, because images have no weights of their own to move. "
        "What would its next line be? Do the images go through a ReLU?",
        "dZ = dlogits; for i = L, ..., 2: dA = dZ @ W_i.T, dZ = dA * relu'(A_(i-1)), as in "
        "backward(). The result is dZ @ W_1.T, (N, m_0): one number for each pixel.",
    ),
    one(
        "adversarial_step",
        "neural_nets.py",
        "In which direction does the loss grow fastest? How do you make an arrow 0.5 long "
        "and keep its direction? Each image has an arrow of its own. And what if the arrow "
        "is 0 long?",
        "g = image_gradient(...); its lengths are np.linalg.norm(g, axis=1, keepdims=True) "
        "(N, 1), and 1e-20 is added to them; the step is g * (length / lengths).",
    ),
    one(
        "train_better",
        "neural_nets.py",
        "It is train_plain's step, with three changes. How far is the run, from 0 to 1, at "
        "batch i of this epoch? After the digits have become adversarial examples, which of "
        "logits, cache and dlogits belong to the old digits, and must be computed again?",
        "progress = (epoch - 1 + i / len(batches)) / run.count; rate = lr * "
        "schedule(progress), or lr without a schedule. Forward and loss on the plain "
        "digits, for total. If adversarial: x = x + adversarial_step(..., adversarial * "
        "min(1, progress / WARM_UP)), then forward and loss anew. Last: "
        "momentum_step(params, velocity, backward(...), rate, momentum).",
        loop="for i, batch in ",
    ),
]

LOOPS = [
    one(
        "train_plainly",
        "nnet_fc.py",
        "The four steps of lesson 1, in PyTorch's words: which line is forward and loss, "
        "which one finds the gradients, which one moves the weights? PyTorch adds new "
        "gradients to the old ones: what must come before backward()?",
        "optimizer = torch.optim.SGD(model.parameters(), lr); model.train(); then for each "
        "epoch and batch: loss = F.cross_entropy(model(x), y) (it takes logits, no "
        "softmax); optimizer.zero_grad(); loss.backward(); optimizer.step().",
    ),
    one(
        "Flatten",
        "train_utils.py",
        "(N, 1, 28, 28) shall become (N, 784). Which axis stays? Which number may stand for "
        '"whatever is left" in reshape?',
        "x.reshape(len(x), -1)",
        functions=("Flatten.forward",),
    ),
    one(
        "batchify_data",
        "train_utils.py",
        "Where do the batches begin, if there are 7 examples and 3 go into a batch? What is "
        "left over, and what happens to it if drop_last is true, and if it is not? Labels "
        "of two digits are (2, N): along which axis are they cut?",
        "x is cut as x[i : i + batch_size] and made .float(), y as y[..., i : i + "
        "batch_size] and made .long(): the last axis counts the examples. Where to stop: N "
        "- N % batch_size if drop_last, else N. torch.as_tensor(np.asarray(data)) takes "
        "lists and arrays. If the numbers of images and labels differ, raise ValueError.",
    ),
    one(
        "compute_accuracy",
        "train_utils.py",
        "predictions == y is a tensor of True and False. What is their mean, if True counts "
        "as 1? A mean needs floats; and a float of Python is wanted.",
        "(predictions == y).float().mean().item()",
    ),
    one(
        "run_epoch",
        "train_utils.py",
        "It is train_plainly()'s inner loop. What must not happen if model.training is "
        "false? And the report: batches may differ in size. If you add up the batches' mean "
        "losses, what must each be multiplied by first, and by what do you divide in the "
        "end?",
        "For each batch: forward, cross-entropy; only if model.training: zero_grad, "
        "backward, step. Sum up loss * len(x), the number of right ones (argmax over the "
        "classes), and len(x); return (loss_sum / count, right / count) as floats. Put "
        "`with torch.set_grad_enabled(model.training):` around the loop. logits_of() and "
        "losses_of() above may help: they bring an axis for the heads.",
    ),
    one(
        "run_epoch.two_heads",
        "train_utils.py",
        "With two heads model(x) is a pair, and y is (2, B): which row of y belongs to "
        "which head? The network has one loss to go down on: the mean of the two. What does "
        "the report look like?",
        "logits_of(model, x) is (heads, B, 10); y.reshape(heads, -1) is (heads, B); "
        "losses_of(logits, y) is (heads,). Train on losses.mean(). Return ((loss1, loss2), "
        "(accuracy1, accuracy2)) for two heads, (loss, accuracy) for one.",
        functions=("run_epoch",),
        after="run_epoch",
    ),
    one(
        "run_epoch.ingredients",
        "train_utils.py",
        "Four more arguments, all of them for training alone: where in the loop does each "
        "come in? Harder images replace x before forward. Smoothed labels are for the "
        "gradients; which loss is reported? What happens after the optimizer's step?",
        "if training and harder: x = harder(x, y). losses = losses_of(logits, y) is for the "
        "report; with label_smoothing the gradients come from losses_of(logits, y, "
        "label_smoothing).mean(). After optimizer.step(): scheduler.step() and "
        "average.update_parameters(model), where they are given.",
        functions=("run_epoch",),
        after="run_epoch.two_heads",
    ),
    one(
        "train_model",
        "train_utils.py",
        "What does one epoch consist of? One pass over the training batches with the model "
        "in which mode? One over dev in which mode, and with no optimizer? Everything that "
        "these two calls need has been made above the loop.",
        "train = run_epoch(run.progress(train_data), model.train(), optimizer, **how); dev "
        "= run_epoch(dev_data, judged.eval(), None, precision=precision), or None if there are "
        "no dev data; then "
        "run.record(train, dev, rate, arrays_of(judged.state_dict())), where rate is lr * "
        "factor(epoch * len(train_data) - 1), the last one. Before them, if run.seed is not "
        "None: torch.manual_seed(run.seed_of(epoch)).",
        loop="for epoch in ",
    ),
    one(
        "one_cycle",
        "train_utils.py",
        "Draw it: from 0 up to 1 at progress = WARM_UP, then straight down to 0 at progress "
        "= 1. What are the equations of the two lines?",
        "progress / WARM_UP before WARM_UP, then (1 - progress) / (1 - WARM_UP)",
    ),
    one(
        "adversarial_examples",
        "train_utils.py",
        "Which tensor's gradient is wanted here: the weights', or the images'? How does "
        "PyTorch come to know that it shall keep track of the images? In which mode must "
        "the model be, so that one image does not change the loss of another, and in which "
        "one afterwards?",
        "model.eval(); x = x.clone().requires_grad_(); logits = logits_of(model, x, "
        "precision); losses = losses_of(logits, y.reshape(len(logits), -1)); (g,) = "
        "torch.autograd.grad(losses.sum(), x); model.train(). Return x.detach() + g * "
        "length / (|g| + 1e-20), with one |g| for each image: g.flatten(1).norm(dim=1), in "
        "a shape that goes with g.",
    ),
]

MODELS = [
    one(
        "nnet_fc.build_model",
        "nnet_fc.py",
        "How many numbers go into the first layer, and how many come out of the last? What "
        "stands between two linear layers, and why would two of them without it be no "
        "better than one? What must not stand after the last one, because the cross-entropy "
        "brings it along?",
        "Flatten(); then for each width of hidden: nn.Linear(n_in, n_out), "
        "nn.BatchNorm1d(n_out) if batch_norm, ACTIVATIONS[activation](); last "
        "nn.Linear(hidden[-1], 10). All in one nn.Sequential(*layers). "
        "itertools.pairwise((784, *hidden)) gives the pairs (n_in, n_out).",
    ),
    one(
        "convolve",
        "nnet_cnn.py",
        "At how many places does a window of 3 rows fit into an image of 5 rows? For one "
        "place, one channel of the input and one filter: which two arrays (h, w) are "
        "multiplied? What do several channels of the input do: are they added up, or kept "
        "apart?",
        "out[k, i, j] = b[k] + sum over c of (F[k, c] * x[c, i : i + h, j : j + w]).sum(); "
        "out is (K, H - h + 1, W - w + 1). The bias is added once, not for every channel.",
    ),
    one(
        "nnet_cnn.stage",
        "nnet_cnn.py",
        "A window of 3 x 3 makes the image 2 pixels smaller. How wide must the rim of zeros "
        "be to make up for it? And for 5 x 5? In which order do the docstring's words put "
        "pooling, normalisation and ReLU? When does the convolution need a bias of its own?",
        "nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=not batch_norm); "
        "nn.MaxPool2d(2) if pool; nn.BatchNorm2d(c_out) if batch_norm; nn.ReLU(). Return "
        "them as a list.",
    ),
    one(
        "nnet_cnn.ours",
        "nnet_cnn.py",
        "Which sides has the image after one pooling, after two, after three (28, 14, 7, "
        "3)? The channels grow while the image shrinks: 16, 32, 64 for a width of 1. How do "
        "width and the options reach the stages?",
        "Five stages: 1 -> few, pooled; few -> more; more -> more, pooled; more -> most; "
        "most -> most, pooled; few, more, most = round(16 * width), round(32 * width), "
        "round(64 * width). Pass **options on to every stage, and return all layers in one "
        "list.",
    ),
    one(
        "nnet_cnn.build_model",
        "nnet_cnn.py",
        "How many numbers come out of the designs' layers, for any design and width? You "
        "need not compute it: send an empty image through. What may this image not change? "
        "In which mode must the finished model be?",
        "layers = nn.Sequential(*DESIGNS[design](width), train_utils.Flatten()); features = "
        "train_utils.try_out(layers, torch.zeros(1, 1, 28, 28)).shape[1] (in eval mode and "
        "without gradients); the model is nn.Sequential(*layers, nn.Linear(features, 10)). "
        "Return it .train().to(memory_format=torch.channels_last).",
    ),
    one(
        "compose",
        "utils_multiMNIST.py",
        "Draw a sheet of 42 rows. Which rows does the upper digit take, which the lower "
        "one? Which rows belong to both, and which pixel wins there? Which type shall the "
        "result have?",
        "images = upper.new_zeros(N, 1, 42, 28) has upper's type; rows [:, :, :28] are the "
        "upper digit; rows [:, :, 14:] become torch.maximum of what is there and the lower "
        "digit.",
    ),
    one(
        "MLP",
        "mlp.py",
        "Which layers do both digits share? What does each digit have of its own? Why must "
        "a list of layers become an nn.Sequential (or an nn.ModuleList) before the "
        "optimizer can find their weights?",
        "self.trunk = nn.Sequential(Flatten, and for each width: Linear, BatchNorm1d if "
        "batch_norm, ReLU); self.upper = self.lower's twin = nn.Linear(hidden[-1], "
        "num_classes). forward: features = self.trunk(x); return self.upper(features), "
        "self.lower(features). No softmax.",
    ),
    one(
        "CNN",
        "conv.py",
        "It is MLP with lesson 3's stages for a trunk. The image has 42 x 28 pixels: what "
        "is left of the sides after one pooling, two, three? So how many numbers go into "
        "each head?",
        "stages 1 -> 16 (pool), 16 -> 32, 32 -> 32 (pool), 32 -> 64, 64 -> 64 (pool), then "
        "Flatten: 42 x 28 becomes 21 x 14, 10 x 7, 5 x 3, so 64 * 5 * 3 features. Two heads "
        "nn.Linear(64 * 5 * 3, num_classes).",
    ),
]

STEPS = [*PART_1, *PART_2, *PART_3, *LOOPS, *MODELS]

# ------------------------------------------------------------------------------ after a mistake

# What to ask somebody whose mistake is known. A pattern is looked for in the mistake's words; the
# first that is found counts.
QUESTIONS = {
    "whole array at once": "What does x > 0 give for an array? Try it: np.array([1.0, -2.0]) > 0.",
    "second argument for an axis": "What does help(np.max) say of its second argument?",
    "exp overflows": "What is np.exp(1000)? By what may a fraction's two halves be divided?",
    "not those of rng": "Make two networks with np.random.default_rng(0). Are they the same?",
    "must give 0|leaks|min where max|no upper limit": (
        "Which is larger, 0 or -3? 0 or 0.5? 0 or 1000?"
    ),
    "it is 1 at x = 0": "At 0 both slopes would do; which one does the docstring choose?",
    "it is 1 everywhere|1 for a negative": "Where is max(0, x) flat, and where is it steep?",
    "derivative is": "Draw f(x) = x. How steep is it at x = 5, and at x = -2?",
    "x is flat": "Print the shapes of x and of W x. Which of them is a column, (something, 1)?",
    "names begin": "Which name has the first layer's matrix in the docstring?",
    "the cache": "Layer i: what did it get, and what did it give? Which of them does dW_i need?",
    "keepdims": "Print the shapes: (N, 10) and what? Which row does each number belong to then?",
    "@ is|is a product of matrices": (
        "Try * and @ on two small arrays. Which is the product of matrices?"
    ),
    "moves before": "In which order do your lines run? Which V made this prediction?",
    "zero_grad": "What is in w.grad when backward() begins to add to it, and when step() reads it?",
    r"step\(\) is missing|no weight moves": (
        "Which line changes the weights, and by what? Print one before and after."
    ),
    r"backward\(\) is missing": "Print the .grad of one weight: who fills it in?",
    "softmax (at|before|goes|comes)|a softmax": (
        "Which turns logits into probabilities: the model, or the cross-entropy? Once is enough."
    ),
    "sigmoid": "May the result be 5, or -5? What range has yours?",
    "eval mode": "Which layers do something else in eval mode? So which mode is for learning?",
    "training mode|model.training": (
        "Who chooses the mode, and how does a function learn which one it is?"
    ),
    "climbs": "Where the slope is positive, the loss grows with the weight. Which way must it go?",
    r"\bsign\b": (
        "Take one example with simple numbers. Should the result be above or below 0, and why?"
    ),
    "no activation": "What are two products of matrices in a row, with nothing between them?",
    "slope of ReLU": "If a sum z is far below 0, and moves a little: what changes behind its ReLU?",
    "sqrt|a hundredth": (
        "How large is a sum of n random numbers of size 1? What makes it size 1 again?"
    ),
    (
        "ReLU (at the end|is left out|in any layer|of its own)|"
        "has a ReLU|no ReLU|the ReLU;|after the ReLU"
    ): ("What shall ReLU be applied to, and what not? Look at the formulas line by line."),
    r"\bx1\b": "Put x1 = 2 and x2 = 3 in by hand. Which number meets which weight?",
    r"\bdb\b": "If a bias grows by e, by how much does its z grow, and in how many examples?",
    "dtype": "Which type did the caller ask for? Print the type of what you return.",
    "biases (are|begin)": "What is z if all inputs are 0?",
    "never moves?|replaced by its step": (
        "Print it before and after the step. By how much should it have moved?"
    ),
    r"transposed|wrong way round: \(|is a row": (
        "Write the two shapes next to each other. Which product fits?"
    ),
    r"\baxis\b": "Which axis counts examples, and which one classes or units? Print the shapes.",
    "divided by (N|the number)": (
        "Is the loss a sum over the examples, or a mean? What does that make of its gradient?"
    ),
    "a mean:|their (sum|mean)|the mean|the sum ": (
        "Is it to be a sum or a mean, and over what? Count by hand with batches of 3, 3 and 1."
    ),
    "per cent|it counts|as a share|share of mistakes|only if all": (
        "If 3 of 4 are right, which number between 0 and 1 says so?"
    ),
    "labels (are not those|lag|are those)": (
        "Write an image's number beside its label's. Do they stay together?"
    ),
    "last( full)? batch|batches overlap|first batch": (
        "Go through 7 examples in batches of 3 by hand. Where does each begin and end?"
    ),
    "written into it": (
        "What if somebody asks for another value? Where does the function learn of it?"
    ),
    "slope of 1/2": "What is the slope of 1/2 (o - y)^2 with respect to o? Use the chain rule.",
    "in place of": "What is the error if the prediction is right? What does your line give then?",
    "too few|points once|one epoch": (
        "How often is each example seen if there are three epochs? Count."
    ),
    "whole number$|rounds": "What is the prediction if o is 9.7?",
    "weights begin": (
        "If two units begin equal, and get equal gradients: when will they ever differ?"
    ),
    "all positive": (
        "Do the terms of a sum cancel if all weights are positive? How large is it then?"
    ),
    "smallest logit": "Which class does the network find the most probable?",
    "overflows": "What is np.exp(1000)?",
    "too small": "What is np.log(np.exp(-1000))? And what should it be?",
    "log p|without the logarithm": (
        "Put p = 0.5 in. What is p, and what is log p? Which does the formula name?"
    ),
    r"p \+ t|p - t, not p": (
        "The right class has p = 0.2. Shall its logit grow or shrink? Which sign does that?"
    ),
    "whole columns": "How many numbers does dlogits[rows, labels] name? And dlogits[:, labels]?",
    "rate$|learning_rate|learning rate": (
        "How long should a step be if the rate is 0? And at twice the rate?"
    ),
    "put back": "Print the array before and after.",
    "second (point|loss)|one-sided": (
        "Write w's value beside each line. At which two points is the loss taken?"
    ),
    "only the (last|first) layer|is trained": (
        "Print all weights before and after a step. Which ones have moved?"
    ),
    "shuffled|same order": (
        "In which order do the digits come in the first epoch, and in the second?"
    ),
    "dev is|dev data|dev's": (
        "Which digits does the network learn from, and which ones only judge it?"
    ),
    "it rises|it begins at|straight line|whole cosine|does not fall|jumps|never reaches|pi is": (
        "Put progress = 0, 0.3, 0.5 and 1 in, and draw what you get."
    ),
    "velocity|momentum is missing": (
        "With gradients of 1 and momentum 0.5: what is v after one step, two, three?"
    ),
    "head|other digit|first digit": (
        "Which row of the labels, and which number of the report, is which digit's?"
    ),
    "one row of|a column;|last two axes|numbers change": (
        "Print what comes out for two examples of 2 x 2: 1 2 3 4 and 5 6 7 8."
    ),
    "not flattened": "What shape has a batch of images, and what shape does nn.Linear want?",
    "float(32|64)": "Print the dtype. Which one does the docstring name?",
    "the filter|first filter": (
        "Take one channel of 3 x 3 and a filter of 2 x 2. Work out all four numbers by hand."
    ),
    "channel": "Take two channels of 3 x 3 and a filter of 2 x 2. Work out one number by hand.",
    "[Pp]ooling|padding|stage is|stride|kernel|options|width": (
        "Print the shape behind each layer: what should it be, and what is it?"
    ),
    "lower digit|shared rows|two digits": (
        "Draw the sheet of 42 rows. What stands in rows 0 to 13, 14 to 27, 28 to 41?"
    ),
    "downhill|plain digits": (
        "Measure the loss before and after the adversarial step. Which way should it go?"
    ),
    "length": "Print np.linalg.norm of one image's step. What should it be?",
    "plain list": "Print len(list(model.parameters())). How many should there be?",
    "cuts the trunk off": "Print features.requires_grad. What should it be while the model learns?",
    "at the image|lower third": (
        "Change one pixel in each third of the image. Which answers change?"
    ),
    "batch normalisation": (
        "Print the model for batch_norm=True, and for False. What should differ?"
    ),
    "left out|leaves out|is missing": (
        "Go through the docstring and the formula term by term. Which of your lines is each?"
    ),
}

UNKNOWN = (
    "Take the smallest case you can think of, and work it through by hand. At which line do your "
    "numbers part from those of your function?"
)


def question_about(words):
    """Return a question for somebody who made the mistake of these words; "" if it is unknown."""
    return next((asked for key, asked in QUESTIONS.items() if re.search(key, words)), "")
