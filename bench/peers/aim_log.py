"""Log runs with Aim: folder, runs, points, names by commas."""

import sys
import time

from aim import Run  # type: ignore[import-not-found]
from curve import curve  # type: ignore[import-not-found]

folder, runs, points, names = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
began = time.perf_counter()
for number in range(runs):
    run = Run(repo=folder, system_tracking_interval=None, capture_terminal_logs=False)
    run.name = f"run{number:03}"
    for step, value in enumerate(curve(number, points)):
        run.track(dict.fromkeys(names.split(","), value), step=step)
    run.close()
print(time.perf_counter() - began)
