"""A curve drawn with matplotlib, which is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .axis import lr_text, y_range
from .series import Trace
from .suggestion import Suggestion


def drawn(
    trace: Trace,
    suggestion: Suggestion,
    suggestions: Mapping[str, float | None],
    ax: Any,
    lr: float | None,
) -> Any:
    """Raw losses faint, smoothed ones bold, suggestions, and `lr` as a line.

    The band of the suggestion is shaded. Where there is none, those of other rules are
    hollow and gray: they are not to be trusted, as the title says.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    if ax is None:
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                "plot needs matplotlib: pip install matplotlib"
            ) from error
        _, ax = plt.subplots()
    (bold,) = ax.plot(trace.lrs, trace.smooth, label="smoothed")
    ax.plot(trace.lrs, trace.values, color=bold.get_color(), alpha=0.25, label="raw")
    if suggestion.band is not None:
        color = bold.get_color()
        ax.axvspan(*suggestion.band, color=color, alpha=0.08, label="look here")
    if suggestion.reason:
        ax.set_title(suggestion.sentence, fontsize="small", wrap=True)
    drawn = np.isfinite(trace.smooth)
    doubted = {"color": "gray", "fillstyle": "none"} if suggestion.reason else {}
    for name, value in suggestions.items():
        if value is not None and drawn.any():
            places = np.log(trace.lrs[drawn])
            height = np.interp(np.log(value), places, trace.smooth[drawn])
            ax.plot(value, height, "o", label=f"{name} {lr_text(value)}", **doubted)
    if lr is not None:
        ax.axvline(lr, color="black", linestyle="--", label=f"lr {lr_text(lr)}")
    shown = y_range(trace.values, trace.smooth)
    if shown is not None:
        ax.set_ylim(*shown)
    ax.set_xscale("log")
    ax.set_xlabel("learning rate")
    ax.set_ylabel("loss")
    ax.legend()
    return ax
