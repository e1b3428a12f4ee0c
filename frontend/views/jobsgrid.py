"""The table of jobs: its columns, and AG Grid's look made ours."""

from __future__ import annotations

from typing import Any

import dash_ag_grid as dag
from dash.development.base_component import Component

from frontend import ids

GRID_THEME = (
    "themeQuartz.withParams({backgroundColor: 'var(--page)', foregroundColor: 'var(--ink)',"
    " borderColor: 'var(--line)', headerBackgroundColor: 'var(--page)',"
    " headerTextColor: 'var(--soft)', accentColor: 'var(--action)', fontFamily: 'inherit',"
    " fontSize: 13, headerFontSize: 12.5, headerFontWeight: 500, wrapperBorderRadius: 8,"
    " rowHoverColor: 'var(--raised)', selectedRowBackgroundColor: 'var(--action-soft)',"
    " browserColorScheme: 'inherit', columnBorder: false, spacing: 6, cellHorizontalPadding: 10})"
)


def grid(sort: str) -> Component:
    """The table, sorted by a column as the address names it: `-created_at`."""
    columns = _columns()
    for column in columns:
        if column.get("colId") == sort.lstrip("-"):
            column["sort"] = "desc" if sort.startswith("-") else "asc"
    return dag.AgGrid(
        id=ids.JOBS_GRID,
        rowModelType="infinite",
        getRowId="params.data.id",
        columnDefs=columns,
        defaultColDef={"sortable": False, "resizable": True, "suppressMovable": True},
        dashGridOptions={
            "theme": {"function": GRID_THEME},
            "rowHeight": 40,
            "rowBuffer": 2,
            "headerHeight": 36,
            "cacheBlockSize": 100,
            "maxBlocksInCache": 20,
            "maxConcurrentDatasourceRequests": 1,
            "infiniteInitialRowCount": 1,
            "rowSelection": {"mode": "multiRow", "headerCheckbox": False},
            "selectionColumnDef": {"headerName": "Choose"},
            "localeText": {"noRowsToShow": "No job matches these filters."},
            "suppressDragLeaveHidesColumns": True,
            "animateRows": False,
            "tooltipShowDelay": 300,
            "enableBrowserTooltips": True,
        },
        className="grid",
        style={"height": None},
    )


def _columns() -> list[dict[str, Any]]:
    name = {"cellRenderer": "jobName", "minWidth": 150, "flex": 4, "sortable": True}
    state = {"cellRenderer": "jobState", "width": 102, "sortable": True}
    progress = {"cellRenderer": "jobProgress", "width": 116}
    return [
        {"colId": "name", "headerName": "Name", "field": "name", **name},
        {"colId": "state", "headerName": "State", "field": "state", **state},
        {"colId": "progress", "headerName": "Progress", "field": "progress", **progress},
        _read("data", "Data and network", "jobData", minWidth=130, flex=3),
        _read("methods", "Methods", "jobMethods", minWidth=76, flex=2),
        _read("accuracy", "Test accuracy", "jobAccuracy", width=82, number=True),
        _read("loss", "Test loss", "jobLoss", width=82, number=True),
        _read("norm", "Intrinsic norm", "jobNorm", width=84, number=True),
        _read("robust", "Robust", "jobRobust", "jobRobustWords", width=74, number=True),
        _read("created_at", "Created", "jobCreated", width=94, sortable=True),
        _read("took", "Took", "jobTook", width=98, number=True),
    ]


def _read(
    id: str, title: str, function: str, tip: str = "", number: bool = False, **more: Any
) -> dict[str, Any]:
    """A column whose cells, and their tooltips, functions of cells.js read from the whole job."""
    aligned = (
        {
            "headerClass": "ag-right-aligned-header",
            "cellClass": ["ag-right-aligned-cell", "number"],
            "wrapHeaderText": True,
        }
        if number
        else {}
    )
    value = {
        "valueGetter": {"function": f"{function}(params)"},
        "tooltipValueGetter": {"function": f"{tip or function}(params)"},
    }
    return {"colId": id, "headerName": title, **value, **aligned, **more}
