"""The names that callbacks, scripts and tests use on the job and attack pages."""

from __future__ import annotations

from typing import Any

# the job page
JOB_PAGE = "job-page"
JOB_ASKED = "job-asked"  # store: what the address asks for
JOB_HEAD = "job-head"
JOB_STATE = "job-state"
JOB_PROGRESS = "job-progress"
JOB_FIGURES = "job-figures"
JOB_PLOTS = "job-plots"
JOB_SECTIONS = "job-sections"
JOB_TOLD = "job-told"  # store: what the live script needs to know
JOB_LIVE = "job-live"  # store: when the live script started
RENEW_HEAD = "renew-head"  # stores that the live script sets
RENEW_PLOTS = "renew-plots"
JOB_ATTACK = "job-attack"
JOB_DIAGNOSE = "job-diagnose"
JOB_CLONE = "job-clone"
JOB_CANCEL = "job-cancel"
JOB_RESUME = "job-resume"
JOB_DELETE = "job-delete"
JOB_REFUSED = "job-refused"
STALE = "stale"
PLOT_TABLE = "plot-table"

# the attack page
ATTACK_PAGE = "attack-page"
ATTACK_ASKED = "attack-asked"  # store: what the address asks for
ATTACK_HEAD = "attack-head"
ATTACK_FORM = "attack-form"
ATTACK_NAMES = "attack-names"
ATTACK_PARAMS = "attack-params"
ATTACK_GRID = "attack-grid"
ATTACK_LIMIT = "attack-limit"
ATTACK_SPLIT = "attack-split"
ATTACK_SEED = "attack-seed"
ATTACK_OTHER = "attack-other"  # select: the network on which transferred attacks are made
ATTACK_OTHER_PLACE = "attack-other-place"
ATTACK_SUGGESTED = "attack-suggested"  # store: the budgets that the form filled in by itself
ATTACK_ESTIMATE = "attack-estimate"
ATTACK_ERROR = "attack-error"
ATTACK_RUN = "attack-run"
ATTACK_CURL = "attack-curl"
ATTACK_MAIN = "attack-main"  # select: the job whose results are shown
ATTACK_OVERLAY = "attack-overlay"  # and the jobs drawn beside it
ATTACK_RESULT = "attack-result"
ATTACK_STATUS = "attack-status"
ATTACK_CANCEL = "attack-cancel"
ATTACK_ADDRESS = "attack-address"  # store
ATTACK_TOLD = "attack-told"  # store
ATTACK_LIVE = "attack-live"  # store
ATTACK_EXAMPLE = "attack-example"  # store: when the example's script started
ATTACK_RENEW_HEAD = "attack-renew-head"
ATTACK_RENEW_PLOTS = "attack-renew-plots"


def attack_control(path: str) -> dict[str, Any]:
    """A parameter of an attack: `pgd.steps`."""
    return {"type": "attack-control", "path": path}


def attack_flag(path: str) -> dict[str, Any]:
    """A yes or no of an attack."""
    return {"type": "attack-flag", "path": path}


def plot(card: str) -> dict[str, Any]:
    """The graph of a card."""
    return {"type": "plot", "card": card}


def plot_id(card: str) -> str:
    """The card itself, for links and tests."""
    return f"card-{card}"
