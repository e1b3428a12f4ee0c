"""Run jobs without a queue, or write the catalogue.

python -m worker run spec.json [--out events.jsonl] [--data-dir DIR]
python -m worker catalog
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

RUN_HELP = """\
The file holds one job as REST takes it, {"kind": "train", "spec": {...}}, or a train spec alone.
Files of the run go to DIR/artifacts/<name of the file>/1, replacing those of an earlier run.

An attack job's `source` is a path, relative to the file:
  - the folder of an earlier run, or its final.safetensors (the train spec lies within)
  - a JSON file with a train job, which is run first

Ctrl-C cancels, and saves what there is. Ends with 0 if the job succeeded or was cancelled, 1 if it
failed, 2 if the file holds no job.
"""


def main(argv: list[str] | None = None) -> int:
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser("python -m worker", description=about)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser(
        "run",
        help="run a job here, without queue or broker",
        description=RUN_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("spec", type=Path, help="JSON file")
    run.add_argument("--out", type=Path, help="write every event as a line of JSON")
    run.add_argument("--data-dir", type=Path, help="where files go (NORMSCOPE_DATA_DIR)")
    verbs.add_parser("catalog", help="write worker/contract/catalog.json")
    options = parser.parse_args(argv)
    if options.verb == "catalog":
        return write_catalog()
    from worker.alone import run_file

    return run_file(options.spec, options.out, options.data_dir)


def write_catalog() -> int:
    from worker.contract.catalog import PATH
    from worker.contract.presets import presets
    from worker.lab.core.registry import catalog

    found = catalog(presets())
    # Parameters stay in the order in which their class declares them: forms show them so.
    text = json.dumps(found.model_dump(by_alias=True), indent=1, ensure_ascii=False)
    PATH.write_text(text + "\n")
    print(f"{len(found.entries)} entries, hash {found.hash}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
