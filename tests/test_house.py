"""The house rules: one door, one-way corridors."""

import ast
from pathlib import Path

import lr_widget

ROOMS = Path(lr_widget.__file__).parent

CORRIDORS = {
    "__init__": {"_frontend", "comparison", "curve", "finder", "one_cycle", "repeats"}
    | {"run", "snapshot", "sweep", "task"},
    "_frontend": set(),
    "archive": set(),
    "axis": set(),
    "batch": set(),
    "chart": {"axis", "curve"},
    "comparison": {"curve", "loader", "snapshot", "sweep", "task"},
    "controls": {"_frontend"},
    "curve": {"archive", "plot", "series", "suggestion"},
    "divergence": set(),
    "finder": {"axis", "chart", "controls", "curve", "herald", "one_cycle", "panel"}
    | {"picker", "run", "sweep", "task"},
    "herald": set(),
    "loader": set(),
    "one_cycle": {"curve", "task"},
    "panel": {"axis", "chart", "controls", "curve"},
    "plot": {"axis", "series"},
    "picker": {"_frontend", "controls"},
    "repeats": {"curve", "series", "suggestion"},
    "run": set(),
    "series": {"archive"},
    "snapshot": {"loader", "task", "undo"},
    "suggestion": set(),
    "sweep": {"batch", "curve", "divergence", "snapshot", "task"},
    "task": {"batch", "update"},
    "undo": set(),
    "update": set(),
}

NO_TORCH = {"axis", "chart", "controls", "curve", "herald", "panel", "picker", "run"}
NO_TORCH |= {"archive", "divergence", "plot", "repeats", "series", "suggestion"}
NO_WIDGETS = {"axis", "batch", "curve", "herald", "one_cycle", "run", "snapshot"}
NO_WIDGETS |= {"archive", "comparison", "divergence", "loader", "plot", "repeats"}
NO_WIDGETS |= {"series", "suggestion", "sweep", "undo", "update"}


def imports(room: str) -> tuple[set[str], set[str]]:
    """Rooms of this house, and packages of others, that a room imports."""
    own, foreign = set(), set()
    for node in ast.walk(ast.parse((ROOMS / f"{room}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            own.add(node.module)
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
