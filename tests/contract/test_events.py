"""Events and file names as they cross a process boundary."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract.events import Teller, measurements, to_json
from worker.contract.measurement import Curve, number
from worker.contract.wire import artifact_path


def test_every_value_has_a_number_of_its_own() -> None:
    tell = Teller("job", 3)
    first = tell.measured(0, 0.0, {"a": 1.0, "b": 2.0})
    second = tell.measured(1, 0.5, {"a": 3.0})
    rows = [*measurements(to_json(first)), *measurements(to_json(second))]
    assert [row["seq"] for row in rows] == [1, 2, 3]
    assert {row["attempt"] for row in rows} == {3}
    assert tell.finished(1).seq == 4


@given(st.floats())
def test_a_number_survives_json(value: float) -> None:
    crossed = float(json.loads(json.dumps(number(value), allow_nan=False)))
    assert crossed == value or (math.isnan(crossed) and math.isnan(value))


def test_a_curve_tells_its_shape_and_leaves_out_what_it_lacks() -> None:
    curve = Curve(x=[0.0], y=[1.0], x_label="eps", y_label="accuracy")
    [row] = measurements(to_json(Teller().measured(0, 0.0, {"attack/pgd/accuracy": curve})))
    assert row["shape"] == "curve"
    assert "low" not in row["value"]


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "..", "", ".", "../2/final.safetensors"]
)
def test_no_name_leads_out_of_an_attempts_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not an artifact"):
        artifact_path(tmp_path, "job", 1, name)


@given(st.text(st.characters(exclude_characters="\x00"), min_size=1, max_size=40))
def test_whatever_the_name_the_file_stays_inside(name: str) -> None:
    root = Path("/data")
    try:
        path = artifact_path(root, "job", 1, name)
    except ValueError:
        return
    assert path.is_relative_to(root / "artifacts" / "job" / "1")
