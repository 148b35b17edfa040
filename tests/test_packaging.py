"""The package: one version, one set of names, and an install that needs no Node."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import HeaderParser
from importlib import import_module
from pathlib import Path

import ipywidgets
import pytest

import lr_widget
from lr_widget._frontend import NPM_NAME, NPM_RANGE
from lr_widget.bulletin import Bulletin
from lr_widget.controls import Button, Choice, Field, Message
from lr_widget.epoch_table import EpochTable
from lr_widget.legend import Legend
from lr_widget.options import Options
from lr_widget.picker import LRPicker

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "js" / "package-lock.json"
SOURCES = ROOT / "js" / "src"
ROOMS = Path(lr_widget.__file__).parent
PACKAGE = json.loads((ROOT / "js" / "package.json").read_text("utf-8"))
EXTENSION = f"share/jupyter/labextensions/{NPM_NAME}"
WIDGETS = [Bulletin, Button, Choice, EpochTable, Field, Legend, LRPicker, Message]
WIDGETS += [Options]


# One truth ----------------------------------------------------------------------


def test_python_and_npm_have_one_version_and_one_name():
    assert lr_widget.__version__ == PACKAGE["version"]
    assert PACKAGE["name"] == NPM_NAME
    assert f"^{PACKAGE['version']}" == NPM_RANGE
    assert json.loads(LOCK.read_text("utf-8"))["version"] == PACKAGE["version"]


def test_the_built_extension_has_the_version_of_the_package():
    built = ROOT / "lr_widget" / "labextension" / "package.json"
    if not built.exists():
        pytest.skip("the extension is not built here: npm run build, in js/")
    built = json.loads(built.read_text("utf-8"))
    assert (built["name"], built["version"]) == (NPM_NAME, lr_widget.__version__)


def test_the_lab_is_told_where_the_extension_lies():
    (paths,) = lr_widget._jupyter_labextension_paths()
    assert paths == {"src": "labextension", "dest": NPM_NAME}
    output = (ROOT / "js" / PACKAGE["jupyterlab"]["outputDir"]).resolve()
    assert output == ROOT / "lr_widget" / paths["src"]


def test_the_lock_file_names_no_registry():
    assert '"resolved"' not in LOCK.read_text("utf-8")


def test_the_lock_file_serves_every_platform():
    # npm leaves out what a registry cannot give it, and `npm ci` then fails.
    packages = json.loads(LOCK.read_text("utf-8"))["packages"]
    for package in packages.values():
        for name in package.get("optionalDependencies", {}):
            assert f"node_modules/{name}" in packages


@pytest.mark.parametrize("widget", WIDGETS)
def test_python_and_typescript_have_the_same_traits(widget):
    model = widget.class_traits()["_model_name"].default()
    traits = widget.class_own_traits(sync=True)
    assert set(traits) == set(defaults_of(model))


@pytest.mark.parametrize("widget", WIDGETS)
def test_python_and_typescript_agree_on_names_and_values(widget):
    own = {name: t.default() for name, t in widget.class_own_traits(sync=True).items()}
    names = {"NAME": NPM_NAME, "`^${VERSION}`": NPM_RANGE}
    for name, text in defaults_of(own["_model_name"]).items():
        value = names[text] if text in names else json.loads(text.replace("'", '"'))
        assert value == own[name], name
    exports = (SOURCES / "index.ts").read_text("utf-8")
    views = [own["_view_name"]] if "_view_name" in own else []  # a bulletin has none
    for name in (own["_model_name"], *views):
        assert re.search(rf"\b{name}\b", exports)
        assert re.search(rf"export class {name}\b", sources())


def test_every_widget_of_the_package_is_compared():
    rooms = [import_module(f"lr_widget.{path.stem}") for path in ROOMS.glob("*.py")]
    found = {value for room in rooms for value in vars(room).values() if ours(value)}
    assert found == {*WIDGETS}


def ours(value: object) -> bool:
    """Whether this is a widget whose browser half is in this package."""
    if not (isinstance(value, type) and issubclass(value, ipywidgets.Widget)):
        return False
    module = value.class_traits().get("_model_module")
    return module is not None and module.default() == NPM_NAME


def sources() -> str:
    """All of the browser half's TypeScript."""
    files = sorted(SOURCES.glob("*.ts"))
    return "\n".join(path.read_text("utf-8") for path in files)


def defaults_of(model: str) -> dict[str, str]:
    """The traits in the `defaults()` of a model in TypeScript, as written there."""
    found = re.search(
        rf"class {model}\b.*?\bdefaults\(\)\s*{{\s*return {{(.*?)\n\s*}};",
        sources(),
        re.S,
    )
    assert found, f"no defaults() of {model}"
    return dict(re.findall(r"^\s*(\w+):\s*(.+?),$", found[1], re.M))


# What is built ------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """An sdist and a wheel, built from a copy of this checkout without its leavings."""
    if not shutil.which("npm"):
        pytest.skip("building from a checkout needs Node")
    checkout = tmp_path_factory.mktemp("built") / "checkout"
    left_out = shutil.ignore_patterns(
        ".*_cache", ".git", ".venv", ".test", "__pycache__", "dist", "labextension",
        "lib", "node_modules", ".ipynb_checkpoints", ".hypothesis", ".chromium",
    )  # fmt: skip
    shutil.copytree(ROOT, checkout, ignore=left_out)
    for target in ("--sdist", "--wheel"):
        command = [sys.executable, "-m", "build", "--no-isolation", target]
        run([*command, "--outdir", checkout / "dist", checkout], env=with_tools())
    return checkout / "dist"


def with_tools() -> dict[str, str]:
    """Environment variables in which npm's scripts find this Python's programs."""
    tools = sysconfig.get_path("scripts")
    return {**os.environ, "PATH": os.pathsep.join([tools, os.environ["PATH"]])}


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(built) -> Path:
    (path,) = built.glob("*.tar.gz")
    return path


def run(command, **options) -> str:
    """What the command says; the test fails with it when the command fails."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.install
@pytest.mark.timeout(600)
def test_the_wheel_carries_the_extension_once(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shared = f"lr_widget-{lr_widget.__version__}.data/data/{EXTENSION}"
    assert f"{shared}/package.json" in names
    assert f"{shared}/install.json" in names
    assert any(re.match(rf"{shared}/static/remoteEntry\..*\.js", n) for n in names)
    assert "lr_widget/py.typed" in names
    assert not [n for n in names if n.startswith("lr_widget/labextension")]


@pytest.mark.install
@pytest.mark.timeout(600)
def test_the_wheel_carries_nothing_else(wheel):
    archive = zipfile.ZipFile(wheel)
    tops = {name.split("/")[0] for name in archive.namelist()}
    dist = f"lr_widget-{lr_widget.__version__}"
    assert tops == {"lr_widget", f"{dist}.data", f"{dist}.dist-info"}
    for name in archive.namelist():
        assert "node_modules" not in name
        assert "__pycache__" not in name
    code = [archive.read(n).decode() for n in archive.namelist() if n.endswith(".js")]
    assert not [text for text in code if "Bloomberg" in text or "scaleLog" in text]
    # With bqplot, d3 or the widgets' own code in the bundle it would be far more.
    assert sum(map(len, code)) < 100_000


@pytest.mark.install
@pytest.mark.timeout(600)
def test_the_sdist_carries_the_extension_and_its_sources(sdist):
    names = {n.split("/", 1)[-1] for n in tarfile.open(sdist).getnames()}
    assert "lr_widget/labextension/package.json" in names
    assert "lr_widget/labextension/static/style.js" in names
    assert {"js/package.json", "js/package-lock.json", "js/src/picker.ts"} <= names
    litter = re.compile(r"(^|/)(node_modules|\.venv|__pycache__|\.\w+_cache|lib)(/|$)")
    assert not [n for n in names if litter.search(n)]


# What is installed --------------------------------------------------------------


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """An empty virtual environment."""
    place = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(place, with_pip=True)
    return place


def without_node(place: Path) -> dict[str, str]:
    """Environment variables in which only `place` has programs: no Node, no npm."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JUPY"))}
    environment = {**keep, "PATH": str(place / "bin"), "JUPYTER_NO_CONFIG": "1"}
    assert not shutil.which("node", path=environment["PATH"])
    return environment


@pytest.mark.install
@pytest.mark.timeout(900)
def test_a_wheel_is_built_from_the_sdist_without_node(sdist, empty, tmp_path):
    pip = [empty / "bin" / "python", "-m", "pip", "wheel", "--no-deps"]
    run([*pip, "-w", tmp_path, sdist], env=without_node(empty))
    (path,) = tmp_path.glob("*.whl")
    assert any(EXTENSION in name for name in zipfile.ZipFile(path).namelist())


@pytest.mark.install
@pytest.mark.timeout(900)
def test_the_wheel_installs_without_node_and_goes_without_a_trace(wheel, empty):
    env = without_node(empty)
    python = empty / "bin" / "python"
    constraints = ["-c", ROOT / "constraints.txt"]
    run([python, "-m", "pip", "install", wheel, *constraints], env=env)
    script = "import lr_widget; print(lr_widget.__version__)"
    assert run([python, "-c", script], env=env).strip() == lr_widget.__version__
    listed = run([empty / "bin" / "jupyter", "labextension", "list"], env=env)
    assert re.search(rf"{NPM_NAME} v{lr_widget.__version__}\S* .*enabled.*OK", listed)
    run([python, "-m", "pip", "uninstall", "-y", NPM_NAME], env=env)
    left = [*empty.rglob("lr_widget*"), *empty.rglob("lr-widget*")]
    assert not [path for path in left if path.is_file()], left


@pytest.mark.install
def test_the_installed_metadata_asks_for_no_node(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
    metadata = HeaderParser().parsestr(archive.read(name).decode())
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert not any("node" in need for need in metadata.get_all("Requires-Dist"))
