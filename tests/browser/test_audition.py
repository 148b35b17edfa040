"""An audition by hand: the button, the small charts, the mark, and a candidate used."""

import pytest
from playwright.sync_api import expect

from . import in_lab
from .digits import SETUP
from .widget import FinderWidget

pytestmark = pytest.mark.browser


@in_lab
def test_the_audition_streams_marks_one_and_a_candidate_can_be_used(open_notebook):
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    trials = finder.root.locator(".lr-widget-trial")
    expect(finder.button("Audition")).to_have_attribute("aria-disabled", "true")
    finder.sweep()
    expect(trials).to_have_count(0)
    before = finder.value("task.model[0].weight.tolist()")

    finder.press("Audition")
    expect(trials).to_have_count(3)
    expect(finder.root).to_contain_text("It is a check, not the truth.")
    finder.expect_status("audition done")
    assert finder.value("task.model[0].weight.tolist()") == before
    assert finder.value("lr") is None
    lrs = finder.value("trials.lrs")
    marked = lrs.index(finder.value("trials.marked"))
    for i in range(3):
        expect(trials.nth(i)).to_contain_text("of the best")
        (expect(trials.nth(i)).to_contain_text if i == marked
         else expect(trials.nth(i)).not_to_contain_text)("marked")  # fmt: skip
        drawn = trials.nth(i).locator("path.line")
        assert sum((d.get_attribute("d") or "").count("L") >= 29 for d in drawn.all())

    use = trials.nth(0).get_by_role("button")
    use.click()
    text = use.text_content().removeprefix("Use ")
    expect(finder.field("lr")).to_have_value(text)
    assert finder.value("lr") == lrs[0]
    assert page.console_errors == []
