"""What a run says to the page while it is watched: a message for each frame."""

import pytest
from playwright.sync_api import expect

from . import in_lab
from .digits import SETUP
from .widget import FinderWidget

pytestmark = [pytest.mark.browser, in_lab]

# Each frame that is painted, counted where it is painted.
FRAMES = """
frames, paint = [], finder._paint_frame
finder._paint_frame = lambda: (frames.append(1), paint())
"""

# The widgets that the kernel writes to, message by message.
LISTEN = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  window.told = [];
  panel.sessionContext.session.kernel.iopubMessage.connect((_, message) => {
    if (message.header.msg_type !== 'comm_msg') return;
    window.told.push([message.content.comm_id, message.content.data.method]);
  });
}"""

# What the page has of a widget of the kernel.
SEEN = """async ([id, names]) => {
  const panel = window.jupyterapp.shell.currentWidget;
  for (const cell of panel.content.widgets) {
    for (const output of cell.outputArea?.layout.widgets ?? []) {
      for (const part of output.children()) {
        const manager = await part._manager?.promise;
        if (!manager?.has_model(id)) continue;
        const model = await manager.get_model(id);
        return names.map(name => {
          const value = model.get(name);
          return ArrayBuffer.isView(value) ? [...value] : value;
        });
      }
    }
  }
  return null;
}"""


@pytest.fixture
def watched(open_notebook):
    page = open_notebook([SETUP + FRAMES, "finder"])
    page.run_all()
    return FinderWidget(page)


def expect_all_shown(finder):
    """What the page has is what the kernel has."""
    words = "finder._panel._progress", ["value"]
    bar = "finder._panel._bar", ["value", "max"]
    line = "finder._board.chart.smooth", ["x", "y"]
    scale = "finder._board.chart.y_scale", ["min", "max"]

    def check():
        for widget, names in (words, bar, line, scale):
            model = finder.page.kernel_eval(f"{widget}.model_id", subshell=True)
            here = ", ".join(f"np.asarray({widget}.{n}).tolist()" for n in names)
            expected = finder.page.kernel_eval(
                f"(lambda np: [{here}])(__import__('numpy'))", subshell=True
            )
            assert finder.page.page.evaluate(SEEN, [model, names]) == expected

    finder.until(check)


def test_a_sweep_sends_no_more_messages_than_it_paints_frames(watched):
    page = watched.page
    page.page.evaluate(LISTEN)
    begun = page.kernel_eval("len(frames)")
    watched.sweep()
    frames = page.kernel_eval("len(frames)") - begun
    told = page.page.evaluate("window.told")
    bulletin = page.kernel_eval("finder._lock.model_id")
    # At the start the sweep's name and its plan, and at the end what is read off it.
    assert 0 < len(told) <= frames + 5
    assert {tuple(message) for message in told} == {(bulletin, "custom")}
    expect_all_shown(watched)


def test_a_page_that_reloads_shows_what_the_frames_have_said(watched):
    watched.sweep()
    points = watched.drawn_points()
    watched.page.reload()
    back = FinderWidget(watched.page)
    back.expect_status("range test")
    back.wait_until_drawn(points)
    assert back.drawn_points() == points
    made = back.value("_made")  # a sweep that diverges ends before its last step
    expect(back.root).to_contain_text(f"step {made} of 100")
    back.sweep()  # and the frames that come now find the widgets of this page
    expect_all_shown(back)
