"""What a network answered, look by look, while an attack asked it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LookOut(nn.Module):
    """The same network, remembering the class probabilities of every pass over one example."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        if len(x) == 1:
            with torch.no_grad():
                self.seen.append(logits[0].detach().softmax(0).cpu())
        return logits
