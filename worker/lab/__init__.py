"""The science: a plain PyTorch library, usable alone.

from worker.lab import fit
for event in fit(TrainSpec(...)):
    print(event)
"""

from worker.lab.diagnose import diagnose
from worker.lab.evaluate import evaluate
from worker.lab.fit import fit

__all__ = ["diagnose", "evaluate", "fit"]
