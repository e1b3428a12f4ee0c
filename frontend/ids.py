"""The names of everything on a page that a callback, a script or a test refers to."""

from __future__ import annotations

from typing import Any

# the frame
RAIL = "rail"
RAIL_BUTTON = "rail-button"
CONTENT = "content"
BANNER = "banner"
WORKERS = "rail-workers"
SCHEME = "scheme-toggle"
KEYS_HELP = "keys-help"
ARRIVED = "arrived"
PAGE_LOCATION = "_pages_location"
GO = "go"  # dcc.Location: set its href to send the visitor elsewhere

# home
HOME_PRESETS = "home-presets"
HOME_RECENT = "home-recent"
HOME_WORKERS = "home-workers"
HOME_SHOWN = "home-shown"

# launch
LAUNCH_QUERY = "launch-query"
LAUNCH_PRESETS = "launch-presets"
LAUNCH_FORM = "launch-form"
LAUNCH_NAME = "launch-name"
LAUNCH_TAGS = "launch-tags"
LAUNCH_PRIORITY = "launch-priority"
LAUNCH_REQUEST = "launch-request"
LAUNCH_ESTIMATE = "launch-estimate"
LAUNCH_ERROR = "launch-error"
LAUNCH_SUBMIT = "launch-submit"
LAUNCH_CURL = "launch-curl"
LAUNCH_CURL_COPY = "launch-curl-copy"
LAUNCH_ADDRESS = "launch-address"
LAUNCH_SWEEP = "launch-sweep"
LAUNCH_FIELDS = "launch-fields"

# jobs
JOBS_GRID = "jobs-grid"
JOBS_SEARCH = "jobs-search"
JOBS_STATE = "jobs-state"
JOBS_KIND = "jobs-kind"
JOBS_TAG = "jobs-tag"
JOBS_ACTIONS = "jobs-actions"
JOBS_CANCEL = "jobs-cancel"
JOBS_DELETE = "jobs-delete"
JOBS_COMPARE = "jobs-compare"
JOBS_CONFIRM = "jobs-confirm"
JOBS_CONFIRM_YES = "jobs-confirm-yes"
JOBS_CONFIRM_NO = "jobs-confirm-no"
JOBS_CONFIRM_TEXT = "jobs-confirm-text"
JOBS_TOLD = "jobs-told"
JOBS_EMPTY = "jobs-empty"
JOBS_COUNT = "jobs-count"

# catalogue
CATALOGUE_SEARCH = "catalogue-search"
CATALOGUE_KIND = "catalogue-kind"
CATALOGUE_LIST = "catalogue-list"
CATALOGUE_CARDS = "catalogue-cards"  # store: every card
CATALOGUE_FOUND = "catalogue-found"  # store: what the search means
CATALOGUE_FAILED = "catalogue-failed"
CATALOGUE_LOADING = "catalogue-loading"
CATALOGUE_COUNT = "catalogue-count"


def control(path: str) -> dict[str, Any]:
    """A control of the launch form; `path` is the value's place in the spec: `optimizer.lr`."""
    return {"type": "control", "path": path}


def flag(path: str) -> dict[str, Any]:
    """A switch of the launch form."""
    return {"type": "flag", "path": path}


def entry_params(path: str) -> dict[str, Any]:
    """Where the parameters of what the control at `path` chose are shown."""
    return {"type": "entry-params", "path": path}


def preset(name: str) -> dict[str, Any]:
    """The button that fills the form with a preset."""
    return {"type": "preset", "name": name}


def preset_launch(name: str) -> dict[str, Any]:
    """The button that launches every job of a preset."""
    return {"type": "preset-launch", "name": name}
