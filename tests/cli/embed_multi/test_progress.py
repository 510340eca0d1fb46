"""The progress of a load, on a terminal and off it."""

import logging

from vecstore import EmbedReport
from vecstore.cli import progress as cli_progress
from vecstore.cli.progress import ProgressLine


def test_progress_without_a_terminal_is_a_line_now_and_then(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr(cli_progress, "monotonic", lambda: now)
    with ProgressLine(1000, quiet=False) as progress:
        for now, report in [  # noqa: B007
            (3.0, EmbedReport(embedded=10)),
            (6.0, EmbedReport(embedded=300)),
            (8.0, EmbedReport(embedded=400)),
            (20.0, EmbedReport(embedded=500, unchanged=300)),
        ]:
            progress.show_report(report)
    assert capsys.readouterr().err == (
        "300 of 1,000 entries, 50/s, 0:00:14 left\n800 of 1,000 entries, 40/s, 0:00:05 left\n"
    )


def test_progress_of_input_of_unknown_length(capsys, monkeypatch):
    monkeypatch.setattr(cli_progress, "SECONDS_A_LINE", 0)
    with ProgressLine(None, quiet=False) as progress:
        progress.show_report(EmbedReport(embedded=10, failed=2))
    assert capsys.readouterr().err.startswith("12 entries, ")
    with ProgressLine(None, quiet=True) as progress:
        progress.show_report(EmbedReport(embedded=10))
    assert capsys.readouterr().err == ""


def test_a_long_wait_for_the_provider_is_shown_once(capsys):
    log = logging.getLogger("vecstore")
    with ProgressLine(None, quiet=False):
        for seconds in (0.5, 20.3, 20.1):
            log.info("Waiting %s s", seconds, extra={"seconds": seconds})
    with ProgressLine(None, quiet=True):
        log.info("Waiting %s s", 20.3, extra={"seconds": 20.3})
    assert capsys.readouterr().err == "Waiting 20.3 s\n"
