"""Entries that wait: first in, first out, wherever they lie."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.spill import Spill


@given(
    st.lists(st.one_of(st.binary(max_size=40).map(bytes.hex), st.none()), max_size=60),
    st.integers(0, 200),
)
def test_is_a_queue(moves: list[str | None], memory_bytes: int) -> None:
    with TemporaryDirectory() as folder:
        spill, model = Spill(Path(folder) / "deep" / "waiting", memory_bytes), deque[bytes]()
        for move in moves:
            if move is not None:
                spill.append(move.encode())
                model.append(move.encode())
            else:
                head = spill.head()
                assert head == [model.popleft() for _ in head]
                assert spill.holds_only(head) == (not model)
                spill.told(head)
            assert bool(spill) == bool(model)
        spill.clear()
        assert not spill
        assert not spill.path.exists()


def test_keeps_in_memory_what_the_disk_refuses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    spill = Spill(tmp_path / "file" / "waiting", memory_bytes=1)
    spill.append(b"[1]")
    spill.append(b"[2]")
    assert spill.head() == [b"[1]", b"[2]"]
    assert "cannot be kept" in caplog.text
