"""Detection scores against scikit-learn, and other data in the form of one's own."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.lab.theory import mlp
from tests.lab.views import readings, view
from worker.lab.core.dataset import Dataset
from worker.lab.core.detection import aupr, auroc
from worker.lab.core.diagnostic import Diagnostic
from worker.lab.core.errors import LabError
from worker.lab.core.foreign import fitted


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [3, 20, 10_000])
def test_areas_are_scikit_learns_with_ties_and_unequal_counts(seed: int, levels: int) -> None:
    dice = torch.Generator().manual_seed(seed)
    positive = (torch.randn(130, generator=dice) + 0.5).mul(levels / 6).round()
    negative = torch.randn(311, generator=dice).mul(levels / 6).round()
    y = [1] * 130 + [0] * 311
    scores = torch.cat([positive, negative]).tolist()
    assert float(auroc(positive, negative)) == pytest.approx(roc_auc_score(y, scores), abs=1e-12)
    theirs = average_precision_score(y, scores)
    assert float(aupr(positive, negative)) == pytest.approx(theirs, abs=1e-12)


def test_a_perfect_score_and_a_blind_one() -> None:
    high, low, same = torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0, 1.0]), torch.ones(5)
    assert float(auroc(high, low)) == 1 == float(aupr(high, low))
    assert float(auroc(low, high)) == 0
    assert float(auroc(same, same)) == 0.5 == float(aupr(same, same))


def test_images_take_the_form_of_ones_own() -> None:
    colour = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    grey = fitted(colour, (1, 8, 8))
    assert grey.shape == (3, 1, 8, 8)
    assert 0 <= float(grey.min()) <= float(grey.max()) <= 1
    assert float(grey.mean()) == pytest.approx(float(colour.mean()), abs=0.01)
    wide = fitted(grey, (3, 8, 8))
    assert torch.equal(wide[:, 0], wide[:, 2])
    assert torch.equal(wide[:, :1], grey)
    assert torch.allclose(fitted(torch.full((1, 1, 8, 8), 0.3), (3, 28, 28)), torch.tensor(0.3))


def test_moons_are_told_from_spirals_as_scikit_learn_says() -> None:
    moons = Dataset.of({"name": "moons"}).load(None)
    spirals = Dataset.of({"name": "spirals"}).load(None).test
    against = {"against": {"name": "spirals"}, "limit": 400}
    net = mlp(moons, seed=4)
    found = readings("out_of_distribution", view(net, moons), **against)
    p = [net(x[:400]).softmax(1).detach() for x in (moons.test.x, spirals.x)]
    scores = torch.cat(p).max(1).values.double().tolist()
    own = [1] * 400 + [0] * 400
    foreign = [1 - label for label in own]
    area = roc_auc_score(own, scores)
    assert abs(area - 0.5) > 0.05  # so that a wrong sign would show
    assert found["max_probability/auroc"] == pytest.approx(area, abs=1e-6)
    # With two classes, entropy orders examples as the largest probability does.
    assert found["entropy/auroc"] == pytest.approx(area, abs=1e-4)
    hidden = average_precision_score(foreign, [-score for score in scores])
    assert found["max_probability/aupr"] == pytest.approx(hidden, abs=1e-6)
    known = average_precision_score(own, scores)
    assert found["max_probability/aupr_own"] == pytest.approx(known, abs=1e-6)


def test_what_cannot_be_compared_is_refused_with_the_reason() -> None:
    against = {"name": "out_of_distribution", "against": {"name": "digits"}}
    with pytest.raises(LabError, match="digits itself"):
        Diagnostic.of(against).applies(Dataset.of({"name": "digits"}).load(None))
    with pytest.raises(LabError, match=r"inputs \(1, 8, 8\) cannot be made \(2,\)"):
        Diagnostic.of(against).applies(Dataset.of({"name": "moons"}).load(None))
    with pytest.raises(LabError, match="no dataset is called 'nothing'"):
        Diagnostic.of({"name": "out_of_distribution", "against": {"name": "nothing"}})
    wrong = {"name": "moons", "noise": -1}
    with pytest.raises(LabError, match=r"moons\.noise"):
        Diagnostic.of({"name": "out_of_distribution", "against": wrong})
