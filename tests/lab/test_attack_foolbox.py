"""Our attacks against a peer's, on one network at one budget."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.lab.nets import digits, mnist, mnist_trained, trained
from worker.lab.attacks.apgd import Apgd
from worker.lab.attacks.fab import Fab
from worker.lab.attacks.fgsm import Fgsm
from worker.lab.attacks.pgd import Pgd

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its use of scipy.ndimage.filters
    import foolbox

FOOLBOX = {
    "fgsm-linf": (Fgsm(norm="linf"), foolbox.attacks.LinfFastGradientAttack()),
    "fgsm-l2": (Fgsm(norm="l2"), foolbox.attacks.L2FastGradientAttack()),
    "apgd-linf": (
        Apgd(norm="linf", steps=40),
        foolbox.attacks.LinfPGD(steps=40, rel_stepsize=0.1),
    ),
    "apgd-l2": (
        Apgd(norm="l2", steps=40),
        foolbox.attacks.L2PGD(steps=40, rel_stepsize=0.1),
    ),
    "pgd-linf": (
        Pgd(norm="linf", steps=40, restarts=1, loss="ce"),
        foolbox.attacks.LinfPGD(steps=40, rel_stepsize=0.1),
    ),
    "pgd-l2": (
        Pgd(norm="l2", steps=40, restarts=1, loss="ce"),
        foolbox.attacks.L2PGD(steps=40, rel_stepsize=0.1),
    ),
}


@pytest.mark.parametrize("name", FOOLBOX)
def test_robust_accuracy_is_foolboxs_within_half_a_point(name):
    eps = (0.02, 0.04) if FOOLBOX[name][0].norm == "linf" else (0.1, 0.2)
    agree(name, trained(), digits().test, eps)


@pytest.mark.slow
@pytest.mark.parametrize("name", FOOLBOX)
def test_so_it_is_on_mnist(name):
    folder = Path(os.environ.get("NORMSCOPE_DATASETS_DIR", "/nonexistent"))
    if not (folder / "mnist").is_dir():
        pytest.skip("NORMSCOPE_DATASETS_DIR has no MNIST")
    eps = (0.02, 0.05) if FOOLBOX[name][0].norm == "linf" else (0.3, 0.6)
    # APGD chooses its steps, and is stronger there than PGD: foolbox has no APGD.
    most = 1.0 if name.startswith("apgd") else 0.005
    agree(name, mnist_trained(folder), mnist(folder).test, eps, most)


def agree(name, net, data, eps, most=0.005):
    """Ours fools as many as foolbox's or, by no more than `most`, more."""
    ours, theirs = FOOLBOX[name]
    # Off the walls of the box, where our exact l2 projection is stronger (the next test).
    x = data.x * 0.5 + 0.25
    model = nn.Sequential(Widened(), net).eval()
    peer = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    torch.manual_seed(0)
    _, _, fooled = theirs(peer, x, data.y, epsilons=list(eps))
    for budget, peers in zip(eps, fooled, strict=True):
        found = ours.run(model, x, data.y, eps=budget)
        more = float(found.fooled.float().mean()) - float(peers.float().mean())
        assert -0.005 <= more <= most
        assert 0.02 < float(found.fooled.float().mean()) < 0.98


@pytest.mark.parametrize("name", FOOLBOX)
def test_on_the_images_themselves_foolbox_is_never_stronger(name):
    ours, theirs = FOOLBOX[name]
    data, net = digits().test, trained()
    peer = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    eps = 0.08 if ours.norm == "linf" else 0.4
    torch.manual_seed(0)
    _, _, peers = theirs(peer, data.x, data.y, epsilons=eps)
    found = ours.run(net, data.x, data.y, eps=eps)
    assert float(found.fooled.float().mean()) >= float(peers.float().mean()) - 0.005


STRONGEST = {
    "l1": (2.0, foolbox.attacks.SparseL1DescentAttack(steps=100, rel_stepsize=0.1)),
    "l2": (0.5, foolbox.attacks.L2FMNAttack(steps=200)),
    "linf": (0.1, foolbox.attacks.LInfFMNAttack(steps=200)),
}


@pytest.mark.parametrize("norm", STRONGEST)
@pytest.mark.parametrize("attack", [Pgd(steps=40), Apgd(), Fab()], ids=lambda a: a.name())
def test_foolboxs_l1_and_least_norm_attacks_are_never_stronger(attack, norm):
    data, net = digits().test.head(300), trained()
    eps, theirs = STRONGEST[norm]
    peer = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    torch.manual_seed(0)
    _, _, peers = theirs(peer, data.x, data.y, epsilons=eps)
    found = attack.model_copy(update={"norm": norm}).run(net, data.x, data.y, eps=eps)
    assert 0.1 < float(peers.float().mean()) < 0.9
    assert float(found.fooled.float().mean()) >= float(peers.float().mean()) - 0.005


class Widened(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - 0.25) * 2
