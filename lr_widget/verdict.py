"""What the rule `fall` says, in words and with a remedy: a yes, or an honest no."""

from __future__ import annotations

from .axis import lr_text, percent_text
from .suggestion import Remedy, Span, Suggestion

#: No sweep is proposed beyond these.
LEAST, MOST = 1e-30, 1e6

#: Below so many steps nothing is reliable.
ENOUGH = 50

_SENTENCES = {
    "too_few": "Too few points to read a learning rate from: {made}, and it takes 20;"
    " 100 are better.",
    "diverged_at_once": "Diverged at once: the range starts too high.",
    "starts_too_high": "The fall begins before the first learning rates tested, or ends"
    " in an explosion at once: the range starts too high.",
    "constant": "The loss does not change at all: look whether anything is trained, or"
    " the range is far too low.",
    "flat": "Flat: the range is too low, or the model is frozen or trained already.",
    "noise": "The noise is larger than the fall: more steps, or a larger batch.",
    "only_rises": "The loss rises before a fall is sure: the range starts too high, the"
    " model is trained already, or it takes more steps to see it fall.",
    "still_falling": "Still falling at the last learning rate tested ({end}): the one"
    " to pick is at least {least}.",
}

#: A move of less than this part is not worth a sentence.
_SEEN = 0.1

#: The longest fit for which the budget was measured.
_MEASURED = 1000


def suggested(
    lr: float,
    band: Span,
    repeat_interval: Span,
    flags: tuple[str, ...],
    *,
    cliff: float,
    higher: float,
    steps: int,
    lower: float,
    train_steps: int | None,
) -> Suggestion:
    """A suggestion and its sentences.

    `cliff`: the LR at which half of the fall is lost again, infinite without one;
    `higher`: the factor by which the length of the sweep, `steps`, has moved it up;
    `lower`: the part that a long fit takes off. Where it does, there is the flag
    `"budget"`.
    """
    words = [
        f"fall suggests {lr_text(lr)}, where {percent_text(95)} of the fall is made"
    ]
    if "guarded" in flags:
        words[0] = (
            f"fall suggests {lr_text(lr)}, held back by the cliff at {lr_text(cliff)},"
            " where half of the fall is lost"
        )
    words[0] += f"; look between {lr_text(band[0])} and {lr_text(band[1])}."
    if abs(higher - 1) > _SEEN and "guarded" not in flags:
        words.append(
            f"That is {_percent(higher - 1)} than the curve shows: a sweep of {steps:,}"
            f" steps falls {'early' if higher > 1 else 'late'}."
        )
    if lower > 0:
        flags = (*flags, "budget")
        words.append(
            f"{train_steps:,} steps: {_percent(-lower)} than for 300, as long"
            " fits want a lower peak"
        )
        words[-1] += "." if (train_steps or 0) <= _MEASURED else _beyond(_MEASURED)
    if "weak" in flags:
        words.append("The fall is only just larger than the noise: repeat the sweep.")
    return Suggestion(lr, band, repeat_interval, "", flags, None, " ".join(words))


def refused(
    reason: str,
    *,
    tested: Span,
    made: int,
    planned: int,
    stopped: bool,
    at_least: float,
) -> Suggestion:
    """No suggestion, for this reason; what it means, and what to do.

    `tested`: first and last LR; `at_least`: of a loss that is still falling, the LR
    that its fall has come to; `stopped`: by the loss, that is, not by a person.
    """
    start, end = tested
    known = {"made": made, "end": lr_text(end), "least": "0"}
    if reason == "still_falling":
        known["least"] = lr_text(at_least)
    cut = made < planned and not stopped
    if cut and reason in ("too_few", "still_falling", "flat") and planned >= ENOUGH:
        remedy = Remedy("Run it to the end")
    elif reason in ("diverged_at_once", "starts_too_high"):
        remedy = Remedy(
            "Start two decades lower", {"start_lr": max(start / 100, LEAST)}
        )
    elif reason in ("constant", "flat", "still_falling"):
        top = min(max(10.0, 10 * end), MOST)
        remedy = Remedy(f"Raise end_lr to {lr_text(top)}", {"end_lr": top})
    elif planned < ENOUGH:
        remedy = Remedy("Run 100 steps", {"num_iter": 100})
    else:
        remedy = Remedy("Repeat with 10x steps", {"num_iter": 10 * planned})
    sentence = _SENTENCES[reason].format_map(known)
    return Suggestion(None, reason=reason, remedy=remedy, sentence=sentence)


def broken() -> Suggestion:
    """The first loss is no number: no learning rate helps, as none was used yet."""
    sentence = "The first loss is not a number: look at the model and its data."
    return Suggestion(None, reason="diverged_at_once", sentence=sentence)


def _percent(part: float) -> str:
    percent = percent_text(round(100 * abs(part)))
    return f"{percent} {'higher' if part > 0 else 'lower'}"


def _beyond(measured: int) -> str:
    return f"; that was measured up to {measured:,} steps only."
