"""Small colour photographs of a hundred things."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from worker.lab.core.dataset import ImageDataset, training_size
from worker.lab.core.hub import pictures
from worker.lab.core.task import Task

MEAN, STD = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""


class Cifar100(ImageDataset):
    """60,000 colour photographs of 32×32 pixels in a hundred classes.

    50,000 to train on and 10,000 to test on, with the fine labels, divided by 255 into [0, 1]. Read
    from the folder `cifar100` of NORMSCOPE_DATASETS_DIR, else fetched once from the Hugging Face
    hub (uoft-cs/cifar100).
    """

    title: ClassVar[str] = "CIFAR-100"
    paper: ClassVar[str] = "Krizhevsky (2009)"
    shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    classes: ClassVar[tuple[str, ...]] = tuple(name.replace("_", " ") for name in NAMES.split())
    test_size: ClassVar[int] = 10_000

    examples: int = training_size(50_000)

    def read(self, folder: Path | None) -> Task:
        train, test = pictures(
            "cifar100", "uoft-cs/cifar100", folder, self.examples, label="fine_label"
        )
        return Task("cifar100", train, test, self.classes, "image", MEAN, STD)
