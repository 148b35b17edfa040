"""A finder on scikit-learn's digits for the browser tests: a sweep takes a second."""

SETUP = """
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lr_widget import LRFinder

torch.set_num_threads(1)
torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.data, dtype=torch.float32) / 16
train, valid = torch.utils.data.random_split(
    TensorDataset(images, torch.tensor(digits.target)), [1400, 397]
)
loader = DataLoader(train, batch_size=64, shuffle=True, drop_last=True)
valid_loader = DataLoader(valid, batch_size=64)

def accuracy(output, target):
    return (output.argmax(-1) == target).float().mean()

def make(**given):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    given = {"valid_loader": valid_loader, "metrics": [accuracy], **given}
    given = {"loss_fn": nn.CrossEntropyLoss(), "valid_every": 10, **given}
    return LRFinder(model, loader, optimizer=optimizer, **given)

finder = make()
"""
