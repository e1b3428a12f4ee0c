"""Log runs with TensorBoard's own writer: folder, runs, points, names by commas."""

import sys
import time

from curve import curve  # type: ignore[import-not-found]
from tensorboard.summary import Writer  # type: ignore[import-not-found]

folder, runs, points, names = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
began = time.perf_counter()
for run in range(runs):
    writer = Writer(f"{folder}/run{run:03}")
    for step, value in enumerate(curve(run, points)):
        for name in names.split(","):
            writer.add_scalar(name, value, step)
    writer.close()
print(time.perf_counter() - began)
