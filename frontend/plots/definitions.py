"""What each card shows, said exactly: a sentence, an equation in MathML, where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    text: str
    math: str = ""
    spoken: str = ""
    source: str = ""


def _i(name: str) -> str:
    return f"<mi>{name}</mi>"


def _norm(inside: str, kind: str) -> str:
    return f"<msub><mrow><mo>‖</mo>{inside}<mo>‖</mo></mrow><mi>{kind}</mi></msub>"


_W = "<msub><mi>W</mi><mi>l</mi></msub>"
_PRODUCT = (
    "<munderover><mo>∏</mo><mrow><mi>l</mi><mo>=</mo><mn>1</mn></mrow><mi>L</mi></munderover>"
)
_GRADIENT = _norm(
    "<msub><mo>∇</mo><mi>x</mi></msub><mi>CE</mi><mo>(</mo><mi>f</mi><mo>(</mo><mi>x</mi>"
    "<mo>)</mo><mo>,</mo><mi>y</mi><mo>)</mo>",
    "2",
)
_NU = f"<mi>ν</mi><mo>=</mo>{_PRODUCT}{_norm(_W, 'F')}"
_REACH = (
    "<msub><mrow><mo>‖</mo><mi>p</mi><mo>−</mo><msub><mi>e</mi><mi>y</mi></msub><mo>‖</mo></mrow>"
    f"<mn>2</mn></msub><mspace width='0.2em'/><mi>C</mi><mspace width='0.2em'/>{_PRODUCT}"
    f"{_norm(_W, 'F')}"
)
_BOUND = f"{_GRADIENT}<mo>≤</mo>{_REACH}"


def _math(inside: str) -> str:
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">{inside}</math>'


DEFINITIONS: dict[str, Definition] = {
    "loss": Definition(
        "The objective of a batch and the terms it is made of, before the step's update. The bold "
        "line is a running mean whose memory fades over 1.5 % of the run, sooner at its "
        "start; the faint one is what was measured. The total counts penalties too: trainings "
        "under different ones are compared by their cross-entropy, not by it.",
        _math(
            "<mi>loss</mi><mo>=</mo><mfrac><mn>1</mn><mi>B</mi></mfrac><munder><mo>∑</mo><mi>b</mi>"
            "</munder><mi>CE</mi><mo>(</mo><mi>f</mi><mo>(</mo><msub><mi>x</mi><mi>b</mi></msub>"
            "<mo>)</mo><mo>,</mo><msub><mi>y</mi><mi>b</mi></msub><mo>)</mo><mo>+</mo>"
            "<munder><mo>∑</mo><mi>m</mi></munder><msub><mi>R</mi><mi>m</mi></msub><mo>(</mo>"
            "<mi>W</mi><mo>)</mo>"
        ),
        "loss = mean over the batch of CE(f(x), y) + sum over methods of R_m(W)",
    ),
    "accuracy": Definition(
        "The share of examples whose most likely class is the right one: on the training batch "
        "(at the end on as many training examples as there are test examples), and on the test "
        "set, which no step trains on: on its first examples while training (500 unless chosen "
        "otherwise), on all of it at the end. A validation split, where the data were asked for "
        "one, is held out of the training data.",
    ),
    "norm": Definition(
        "The product of the layers' Frobenius norms. Moving scale from one layer to another, "
        "W_l → aW_l and W_{l+1} → W_{l+1}/a, changes neither it nor the network's function; each "
        "layer's own norm does change.",
        _math(_NU),
        "ν = product over layers of ‖W_l‖_F",
        "WEISSI, arXiv:2008.02965; the product form as derived for this project.",
    ),
    "gradient": Definition(
        "How fast cross-entropy can change with the input: the mean and the largest over the "
        "examples of a batch, and a bound on the largest that needs only the weights and the "
        "predicted probabilities p (e_y is the right class). C is 1 for linear layers and holds "
        "what convolutions, pooling and normalisation add.",
        _math(_BOUND),
        "‖∇ₓ CE‖₂ ≤ ‖p − e_y‖₂ C ∏ ‖W_l‖_F",
        "WEISSI, arXiv:2008.02965, states that its regulariser bounds the input gradient; this "
        "form with its constants is derived for this project.",
    ),
    "tightness": Definition(
        "The mean input gradient over the mean of its bound: 1 would be a tight bound, 0.04 says "
        "that the bound is 25 times what is measured.",
        _math(
            f"<mfrac><mrow><msub><mi>mean</mi><mi>b</mi></msub>{_GRADIENT}</mrow>"
            f"<mrow><msub><mi>mean</mi><mi>b</mi></msub>{_REACH}</mrow></mfrac>"
        ),
        "mean ‖∇ₓ CE‖₂ / mean (‖p − e_y‖₂ C ∏ ‖W_l‖_F)",
        "Derived for this project.",
    ),
    "rate": Definition("The step size of the optimizer at each step, after its schedule."),
    "regions": Definition(
        "What the network answers at each point of the unit square: the class, or, of two "
        "classes, the probability, pale where the odds are even. The marks are training data."
    ),
    "attack-accuracy": Definition(
        "The share of examples that stay right although the adversary may move each input by at "
        "most ε in the named norm; attacks on weights move these, once for all examples. Bands "
        "are 95 % Wilson intervals for the number of examples; the worst case takes, for each "
        "example, the strongest of the attacks.",
        _math(
            "<mfrac><mn>1</mn><mi>n</mi></mfrac><mo>#</mo><mo>{</mo><mi>i</mi><mo>:</mo>"
            "<mi>f</mi><mo>(</mo><msub><mi>x</mi><mi>i</mi></msub><mo>+</mo><msub><mi>δ</mi>"
            "<mi>i</mi></msub><mo>)</mo><mo>=</mo><msub><mi>y</mi><mi>i</mi></msub><mo>}</mo>"
            "<mo>,</mo><mspace width='1em'/>"
            "<mrow><mo>‖</mo><msub><mi>δ</mi><mi>i</mi></msub><mo>‖</mo></mrow><mo>≤</mo><mi>ε</mi>"
        ),
        "share of i with f(x_i + δ_i) = y_i, ‖δ_i‖ ≤ ε",
    ),
    "attack-loss": Definition(
        "Mean cross-entropy of the attacked inputs after each step of the attack, at the largest "
        "ε. A loss that does not rise says that the attack is broken, not that the network is "
        "robust."
    ),
    "example-bars": Definition(
        "The probability of each class, by the softmax of the logits, at the clean input and at "
        "the attacked one.",
    ),
    "example-path": Definition(
        "The probability of this example’s classes at the changed weights, budget by budget. The "
        "change is the one that all examples share: it was not made for this one.",
    ),
    "landscape": Definition(
        "The mean cross-entropy at w + a d₁ + b d₂ over a grid of a and b, d₁ and d₂ random "
        "directions of which each filter is scaled to the length of the filter it moves; of "
        "inputs, at x + a d₁ + b d₂ with d₁ along the loss gradient. A plane shows two directions "
        "of very many: a loss that looks flat here may be sharp elsewhere.",
        source="Li et al., arXiv:1712.09913",
    ),
    "shift-norms": Definition(
        "The Frobenius norm of each layer’s weights, before and after the shift. Their product is "
        "the intrinsic norm: it stays, each of them moves.",
    ),
    "shift-walk": Definition(
        "The intrinsic norm while the network is trained on from here by gradient descent, under "
        "no penalty, weight decay and WEISSI, from the weights before the shift and after it. Both "
        "compute the same function: where the walks part, the step or the penalty saw the scales.",
    ),
    "bounds-proved": Definition(
        "Attacked: the accuracy that is left after the strongest change within ε that a search "
        "found; the truth may be lower. Proved: the share of examples whose class no change within "
        "ε can take, by three certificates from tight to loose. By intervals: bounds of every "
        "activation are pushed through the layers. In one pass: one forward pass with |W| bounds "
        "how far each logit can move. In closed form: one number a layer, from the largest row sum "
        "of |W| and the size of the activations. The truth lies between the attacked line and the "
        "highest proved one.",
        source="Derived for this project; see certified accuracy in the catalogue.",
    ),
    "bounds-layers": Definition(
        "Of each weight matrix, or kernel as a matrix: the Frobenius norm, root of the sum of the "
        "squares of its singular values; the spectral norm, the largest of them; their ratio, the "
        "root of the stable rank: by so much a bound with Frobenius norms is looser there.",
    ),
    "widths-reliability": Definition(
        "Predictions are put into bins by confidence, the largest probability; each mark is a bin: "
        "its mean confidence, and how often it is right. On the diagonal a network is as sure as "
        "it is right; below it, too sure. The calibration error is the mean distance from it, bins "
        "weighted by their examples.",
    ),
    "widths-doubt": Definition(
        "The expected calibration error of the test data at each width. AUROC: the chance that an "
        "example of other data gets an answer of more entropy than an example of the test data, "
        "½ for a network that cannot tell them apart.",
    ),
    "example-looks": Definition(
        "The probability of the true class, and of the class predicted in the end, at each input "
        "at which the attack looked at the network, from the clean one on. An attack that starts "
        "anew goes back; what it keeps is the strongest input of all.",
    ),
    "example-flips": Definition(
        "The share of examples whose predicted class is not the one at the network’s own weights, "
        "after one change of the weights that all of them share. The change is found by a search "
        "on these examples, anew at every budget: the worst change flips as many or more. Beside "
        "it, the worst of a few changes as large in directions drawn at random.",
    ),
    "example-grid0": Definition(
        "The share of examples that the network still gets right where each input may move by ε "
        "and the weights, once for all examples, by ε_w. What a search found within smaller "
        "budgets counts within larger ones, so that no row and no column rises; the worst case "
        "leaves no more than is shown.",
        source="arXiv:2102.11935; the set-up of the search is derived",
    ),
}
