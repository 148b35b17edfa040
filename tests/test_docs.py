"""The documents are true: examples and notebook run, commands and files exist."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lr_widget

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
QUICKSTART = ROOT / "notebooks" / "quickstart.ipynb"
ROOMS = sorted(
    path.stem
    for path in Path(lr_widget.__file__).parent.glob("*.py")
    if path.stem != "__init__"
)


@pytest.mark.parametrize("room", ROOMS)
def test_the_examples_in_the_docstrings_run(room):
    module = importlib.import_module(f"lr_widget.{room}")
    names = {"torch": torch, "nn": nn, "LRFinder": lr_widget.LRFinder}
    assert doctest.testmod(module, extraglobs=names).failed == 0


def test_the_python_in_the_readme_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(40, 4), torch.randint(2, (40,)))
    batches = DataLoader(data, batch_size=8)
    model = nn.Linear(4, 2)
    names = {"model": model, "loader": batches, "loss_fn": nn.CrossEntropyLoss()}
    names["optimizer"] = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(code, names)
    assert names["finder"].lr == 3e-3
    assert len(names["finder"].history.epochs) == 3
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"fit.ckpt", "run.json", "model.safetensors"}
    assert capsys.readouterr().out.count("\n") == 15


def test_the_commands_in_the_documents_are_targets_of_the_makefile():
    documents = README + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"make ([a-z-]+)", documents)) - {"for"}
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test", "build", "watch"} <= named <= set(targets)


def test_the_files_in_the_documents_exist():
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text()
        links = re.findall(r"\]\((?!http|#)([^)]+)\)", text)
        links += re.findall(r'src="([^"]+)"', text)
        assert all((ROOT / link).is_file() for link in links)


def test_the_quickstart_gives_the_same_numbers_as_a_plain_script(tmp_path):
    notebook = nbformat.read(QUICKSTART, as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    script = tmp_path / "script.py"
    script.write_text("\n".join(cells))
    NotebookClient(notebook, timeout=240).execute()
    printed = "".join(
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output["output_type"] == "stream" and output["name"] == "stdout"
    )
    run = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True
    )
    assert run.stdout == printed
    share = re.search(r"([\d.]+)% of the 450 held-out digits", printed)
    assert share is not None
    assert float(share[1]) >= 97


def test_the_notebooks_are_kept_without_outputs():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            assert not cell.get("outputs")
            assert cell.get("execution_count") is None
