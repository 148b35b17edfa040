"""The colours of curves and suggestions."""

from __future__ import annotations

# After Okabe and Ito, told apart with any kind of colour vision; made dark or light
# enough to stand out from white and from black by 3 to 1. Vermilion is the pick's.
BLUE, GREEN, PURPLE, ORANGE, GRAY = "#0072B2 #009E73 #C56FA0 #B87700 #808080".split()
OLIVE, VIOLET = "#7A8B2E #8A6FD1".split()
PICK = "#D55E00"

#: Of the stretch to look in.
LOOK = VIOLET

#: Of a suggestion, by its rule.
MARKS = {"fall": GREEN, "minimum": OLIVE, "steepest": PURPLE}
MARKS |= {"valley": ORANGE, "slide": GRAY}

_CURVES = (BLUE, ORANGE, GREEN, PURPLE, GRAY, VIOLET, OLIVE)

# Past the last colour they begin anew, in another line.
_STYLES = ("solid", "dashed", "dotted", "dash_dotted")


def curve_style(place: int) -> tuple[str, str]:
    """Colour and line style of the curve at a place, counted from 0.

    >>> curve_style(0), curve_style(7)
    (('#0072B2', 'solid'), ('#0072B2', 'dashed'))
    """
    row, column = divmod(place, len(_CURVES))
    return _CURVES[column], _STYLES[row % len(_STYLES)]
