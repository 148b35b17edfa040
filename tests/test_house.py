"""The house rules: one door, one-way corridors."""

import ast
from pathlib import Path

import lr_widget

ROOMS = Path(lr_widget.__file__).parent

CORRIDORS = {
    "__init__": {"_frontend", "comparison", "curve", "finder", "one_cycle", "repeats"}
    | {"run", "schedule", "snapshot", "sweep", "task"},
    "_frontend": set(),
    "annotation": {"curves", "palette", "reading", "suggestion"},
    "archive": set(),
    "axis": set(),
    "batch": set(),
    "board": {"annotation", "axis", "chart", "controls", "curves", "legend"}
    | {"line", "options", "palette", "picker", "picture", "reading"}
    | {"repeats"},
    "chart": {"axis", "curve", "curves", "figure", "line", "palette", "repeats"},
    "comparison": {"curve", "loader", "snapshot", "sweep", "task"},
    "controls": {"_frontend"},
    "curve": {"archive", "plot", "series", "suggestion"},
    "curves": {"curve", "repeats"},
    "divergence": set(),
    "element": {"placement"},
    "fall": set(),
    "figure": {"axis", "line", "palette"},
    "finder": {"comparison", "curve", "curves", "one_cycle", "repeats", "run"}
    | {"sweep", "task", "workbench"},
    "fit_chart": {"axis", "curve", "figure", "palette"},
    "herald": set(),
    "legend": {"_frontend", "controls"},
    "line": set(),
    "loader": set(),
    "one_cycle": {"curve", "peak", "schedule", "task"},
    "options": {"_frontend", "controls"},
    "palette": set(),
    "panel": {"axis", "board", "controls", "curve", "fit_chart"},
    "peak": set(),
    "picker": {"_frontend", "controls"},
    "picture": {"axis", "element", "placement", "plane"},
    "placement": set(),
    "plane": {"placement"},
    "plot": {"axis", "series"},
    "reading": {"axis", "suggestion"},
    "repeats": {"curve", "plot", "series", "suggestion"},
    "run": set(),
    "schedule": {"peak"},
    "series": {"archive"},
    "snapshot": {"loader", "task", "undo"},
    "still": set(),
    "suggestion": {"fall"},
    "sweep": {"batch", "curve", "divergence", "snapshot", "task"},
    "task": {"batch", "update"},
    "undo": set(),
    "update": set(),
    "workbench": {"axis", "board", "controls", "curve", "curves", "fit_chart"}
    | {"herald", "options", "panel", "run", "still"},
}

NO_TORCH = {"annotation", "archive", "axis", "board", "chart", "controls", "curve"}
NO_TORCH |= {"curves", "divergence", "figure", "fit_chart", "herald", "legend", "line"}
NO_TORCH |= {"options", "palette", "panel", "picker", "picture", "plot", "reading"}
NO_TORCH |= {"repeats", "run", "series", "still", "suggestion", "workbench"}
NO_WIDGETS = {"annotation", "archive", "axis", "batch", "comparison", "curve", "curves"}
NO_WIDGETS |= {"divergence", "herald", "loader", "one_cycle", "palette", "picture"}
NO_WIDGETS |= {"plot", "reading", "repeats", "run", "series", "snapshot", "still"}
NO_WIDGETS |= {"peak", "schedule", "suggestion", "sweep", "update"}


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


def test_the_widget_side_knows_no_torch_and_the_engine_no_widgets():
    widgets = {"ipywidgets", "bqplot", "traitlets"}
    assert not [room for room in NO_TORCH if "torch" in imports(room)[1]]
    assert not [room for room in {*NO_WIDGETS, "task"} if imports(room)[1] & widgets]


def test_the_door_is_sorted_and_complete():
    assert lr_widget.__all__ == sorted(lr_widget.__all__)
    public = {name for name in vars(lr_widget) if not name.startswith("_")}
    modules = {path.stem for path in ROOMS.glob("*.py")}
    assert public - modules == set(lr_widget.__all__) - {"__version__"}
    assert all(hasattr(lr_widget, name) for name in lr_widget.__all__)
