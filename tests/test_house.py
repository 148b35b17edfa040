"""The house rules: one door, one-way corridors."""

import ast
from pathlib import Path

import lr_widget

ROOMS = Path(lr_widget.__file__).parent

CORRIDORS = {
    "__init__": {"_frontend", "auditions", "best", "comparison", "curve", "finder"}
    | {"fine_tuning", "one_cycle", "repeats", "run", "schedule", "snapshot"}
    | {"sweep", "task", "trials"},
    "_frontend": set(),
    "annotation": {"classics", "curves", "palette", "reading", "suggestion"},
    "archive": set(),
    "arguments": set(),
    "audition_board": {"axis", "controls", "figure", "trial_chart", "trials"},
    "auditions": {"curve", "fit", "loader", "one_cycle", "plan", "readback"}
    | {"snapshot", "task", "trials"},
    "axis": set(),
    "batch": {"readback"},
    "best": {"curve", "state", "task"},
    "board": {"annotation", "axis", "chart", "controls", "curves", "legend"}
    | {"options", "palette", "picker", "poster", "reading", "suggestion"},
    "bold": {"divergence", "kernel"},
    "bulletin": {"_frontend"},
    "capturable": set(),
    "chance": {"loader", "state", "task"},
    "chart": {"axis", "curve", "curves", "fall", "figure", "line"}
    | {"palette", "repeats"},
    "checkpoint": {"chance", "curve", "dump", "feed", "likeness", "loader", "plan"}
    | {"state", "task"},
    "classics": set(),
    "comparison": {"curve", "loader", "snapshot", "sweep", "task"},
    "controls": {"_frontend", "bulletin"},
    "curve": {"archive", "bold", "classics", "divergence", "fall", "plot"}
    | {"series", "suggestion"},
    "curves": {"curve", "repeats"},
    "cycle": set(),
    "device": set(),
    "divergence": {"series"},
    "dump": {"archive"},
    "element": {"placement"},
    "epoch_table": {"_frontend", "controls", "curve"},
    "fall": {"bold", "divergence", "suggestion", "verdict"},
    "feed": {"chance", "task"},
    "figure": {"axis", "bulletin", "line", "palette"},
    "finder": {"auditions", "comparison", "curve", "curves", "fitter", "plan"}
    | {"repeats", "run", "sweep", "task", "trials"},
    "fine_tuning": {"curve", "fit", "peak", "plan", "schedule", "task"},
    "fit": {"checkpoint", "curve", "loader", "plan", "readback", "task"},
    "fit_board": {"curve", "cycle", "fit_chart", "fit_panel"},
    "fit_chart": {"axis", "curve", "figure", "line", "palette"},
    "fit_panel": {"axis", "controls", "curve", "cycle", "epoch_table", "fit_chart"}
    | {"schedule_chart"},
    "fitter": {"best", "curve", "fine_tuning", "fit", "one_cycle", "peak", "plan"}
    | {"run", "schedule", "session", "snapshot", "task", "weights"}
    | {"workbench"},
    "form": set(),
    "freezing": set(),
    "graph": {"capturable", "form", "recorder", "task"},
    "herald": set(),
    "kernel": set(),
    "legend": {"_frontend", "controls"},
    "likeness": {"chance", "plan", "state", "task"},
    "line": {"bulletin"},
    "loader": set(),
    "metric": {"arguments", "curve", "readback"},
    "one_cycle": {"curve", "fit", "peak", "plan", "schedule", "task"},
    "options": {"_frontend", "controls"},
    "palette": set(),
    "panel": {"audition_board", "board", "controls", "fit_panel"},
    "peak": {"readback"},
    "picker": {"_frontend", "controls"},
    "picture": {"axis", "element", "palette", "placement", "plane"},
    "placement": set(),
    "plan": {"curve", "schedule", "task"},
    "plane": {"placement"},
    "plot": {"axis", "series", "suggestion"},
    "poster": {"axis", "curves", "line", "palette", "picture", "repeats"},
    "readback": set(),
    "reading": {"axis", "suggestion"},
    "recorder": set(),
    "repeats": {"classics", "curve", "fall", "plot", "series", "suggestion"},
    "run": set(),
    "schedule": {"peak"},
    "schedule_chart": {
        "axis",
        "bulletin",
        "curve",
        "figure",
        "line",
        "palette",
        "synopsis",
    },
    "series": {"archive"},
    "session": {"archive", "curve", "curves", "cycle", "options"},
    "snapshot": {"loader", "readback", "task", "undo"},
    "state": {"batch", "readback", "task", "undo"},
    "still": {"poster"},
    "suggestion": {"axis"},
    "surroundings": set(),
    "sweep": {"batch", "curve", "divergence", "graph", "peak", "readback"}
    | {"snapshot", "task"},
    "synopsis": {"axis"},
    "task": {"arguments", "batch", "device", "freezing", "metric", "readback"}
    | {"surroundings", "update"},
    "trial_chart": {"axis", "figure", "line", "palette", "trials"},
    "trials": {"axis", "curve"},
    "undo": set(),
    "update": set(),
    "verdict": {"axis", "suggestion"},
    "weights": {"archive"},
    "workbench": {"audition_board", "axis", "board", "bulletin", "controls", "curve"}
    | {"curves", "cycle", "fit_board", "herald", "options", "panel", "run"}
    | {"session", "still", "trials"},
}

# Two floors; what is on neither is the widget's.
RECORD = {
    "archive",
    "axis",
    "curve",
    "divergence",
    "element",
    "fall",
    "palette",
    "picture",
}
RECORD |= {"placement", "plane", "plot", "reading", "repeats", "series", "suggestion"}
RECORD |= {"synopsis", "classics", "kernel", "verdict", "trials", "bold"}
ENGINE = {"batch", "comparison", "herald", "loader", "one_cycle", "peak", "run"}
ENGINE |= {"schedule", "snapshot", "sweep", "task", "undo", "update", "weights"}
ENGINE |= {"arguments", "device", "freezing", "metric", "surroundings"}
ENGINE |= {"best", "chance", "checkpoint", "dump", "feed", "fine_tuning", "fit"}
ENGINE |= {"likeness", "plan", "state", "readback"}
ENGINE |= {"capturable", "form", "graph", "recorder", "auditions"}


def imports(room: str) -> tuple[set[str], set[str]]:
    """Rooms of this house, and packages of others, that a room imports."""
    own, foreign = set(), set()
    for node in ast.walk(ast.parse((ROOMS / f"{room}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            own.update([node.module] if node.module else [n.name for n in node.names])
        elif isinstance(node, ast.ImportFrom):
            foreign.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            foreign.update(alias.name.split(".")[0] for alias in node.names)
    return own, foreign


def test_every_room_uses_its_corridors_and_no_other():
    rooms = {path.stem for path in ROOMS.glob("*.py")}
    assert {room: imports(room)[0] for room in rooms} == CORRIDORS


def test_the_record_knows_no_torch_the_engine_no_widgets_and_only_finder_knows_both():
    rooms = {path.stem for path in ROOMS.glob("*.py")} - {"__init__"}
    widgets = {"ipywidgets", "bqplot", "traitlets"}
    assert not [r for r in RECORD if imports(r)[0] - RECORD]
    assert not [r for r in ENGINE if imports(r)[0] - RECORD - ENGINE]
    assert not [r for r in RECORD | ENGINE if imports(r)[1] & widgets]
    assert not [r for r in RECORD if "torch" in imports(r)[1]]
    upstairs = rooms - RECORD - ENGINE
    assert [r for r in upstairs if "torch" in imports(r)[1]] == ["finder"]


def test_the_map_in_contributing_names_every_room():
    text = (ROOMS.parent / "CONTRIBUTING.md").read_text("utf-8")
    assert not [path.name for path in ROOMS.glob("*.py") if path.name not in text]


def test_the_door_is_sorted_and_complete():
    assert lr_widget.__all__ == sorted(lr_widget.__all__)
    public = {name for name in vars(lr_widget) if not name.startswith("_")}
    modules = {path.stem for path in ROOMS.glob("*.py")}
    assert public - modules == set(lr_widget.__all__) - {"__version__"}
    assert all(hasattr(lr_widget, name) for name in lr_widget.__all__)
