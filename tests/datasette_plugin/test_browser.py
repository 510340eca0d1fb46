"""The page in headless Chromium."""

import contextlib
import shutil
import time

import pytest
from datasette import hookspecs
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.expected_conditions import url_contains
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.sites import make, read

PROGRAMS = [shutil.which("chromium"), shutil.which("chromedriver")]
pytestmark = pytest.mark.skipif(None in PROGRAMS, reason="Chromium or ChromeDriver is missing")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync"
)
# A plugin of Datasette that brings the model of the tests into its process.
MODEL = """
import vecstore
from vecstore.models.hooks import pm

class Lengths(vecstore.EmbeddingModel):
    model_id = "lengths"

    def embed_batch(self, items):
        return [[float(text.count(letter)) + 0.01 for letter in "abcdefgh"] for text in items]

class Plugin:
    @vecstore.hookimpl
    def register_embedding_models(self, register):
        register(Lengths())

pm.register(Plugin())
"""
ATTACK = "<script>document.title = 'attacked'</script>"


@pytest.fixture
def chromium(tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = PROGRAMS[0]
    for flag in [*FLAGS.split(), "--window-size=1000,900", f"--user-data-dir={tmp_path / 'user'}"]:
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(PROGRAMS[1]))
    yield browser
    browser.quit()


@pytest.fixture
def address(serve, tmp_path):
    """A site with three texts, of which one is an attack."""
    namespace = {}
    exec(MODEL.replace("pm.register", "0 and pm.register"), namespace)
    texts = [("cab", "a cab"), ("badge", "a bad badge"), (ATTACK, f"a cab {ATTACK}")]
    make(
        tmp_path / "words.db",
        "words",
        [(*t, {"url": ATTACK}) for t in texts],
        namespace["Lengths"](),
    )
    rows = [{"word": word} for word in ("badge", "dab")]
    read(tmp_path / "words.db", lambda db: db["words"].insert_all(rows, pk="word"))
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "model.py").write_text(MODEL)
    (tmp_path / "allow.json").write_text('{"plugins": {"vecstore": {"allow_embed": true}}}')
    from datasette.version import __version_info__

    option = "-m" if __version_info__[0] == "0" else "-c"
    files = ["words.db", option, "allow.json", "--plugins-dir", "plugins"]
    return serve(*files) + "/words/-/similar/words"


def expect(browser, ids):
    """Wait for a page with these results."""
    shown = None
    for _ in range(200):
        with contextlib.suppress(WebDriverException):  # the page is replaced at this moment
            shown = [element.text for element in browser.find_elements("css selector", "li h3")]
        if shown == ids:
            return
        time.sleep(0.05)
    assert shown == ids


def test_search_then_more_like_this(chromium, address):
    chromium.get(address)
    box = chromium.find_element("name", "q")
    box.send_keys("a cab\n")
    expect(chromium, ["cab", ATTACK, "badge"])
    assert chromium.find_element("name", "q").get_attribute("value") == "a cab"
    chromium.find_element("link text", "more like this").click()
    expect(chromium, [ATTACK, "badge"])
    assert chromium.find_element("tag name", "h2").text == "Similar to cab"
    chromium.find_element("link text", "cab").click()
    assert WebDriverWait(chromium, 10).until(url_contains("/words/embeddings/1,cab"))
    chromium.find_element("link text", "similar").click()
    expect(chromium, [ATTACK, "badge"])


def test_a_result_has_its_reasons_and_marks(chromium, address):
    chromium.get(address + "?q=badge")
    expect(chromium, ["badge", ATTACK, "cab"])
    first = chromium.find_element("css selector", ".vecstore-results li")
    assert first.find_element("css selector", ".vecstore-why").text == "#1 by meaning, #1 by words"
    assert [mark.text for mark in first.find_elements("tag name", "mark")] == ["badge"]
    chromium.get(address + "?q=badge&_mode=keywords")
    expect(chromium, ["badge"])
    box = chromium.find_element("name", "q")
    box.clear()
    box.send_keys("cab\n")
    expect(chromium, ["cab", ATTACK])  # the mode stays


@pytest.mark.skipif(
    not hasattr(hookspecs, "top_table"), reason="Datasette 0.65 has no tops of pages"
)
def test_the_box_of_a_database_leads_to_results_then_to_the_row(chromium, address):
    for page in ("/words", "/words/embeddings", "/words/words"):
        chromium.get(address.removesuffix("/words/-/similar/words") + page)
        assert chromium.find_elements("css selector", "form.vecstore-search select") == []
        chromium.find_element("css selector", ".vecstore-search input[name=q]").send_keys("badge\n")
        expect(chromium, ["badge", ATTACK, "cab"])
        assert chromium.current_url == address + "?q=badge"
    chromium.find_element("link text", "row of words").click()
    assert WebDriverWait(chromium, 10).until(url_contains("/words/words/badge"))
    chromium.find_element("css selector", "details.actions-menu-links summary").click()
    chromium.find_element("link text", "Related items").click()
    expect(chromium, ["cab", ATTACK])
    assert chromium.find_element("tag name", "h2").text == "Similar to badge"


def test_a_script_in_content_stays_text(chromium, address):
    for path in ("", "?q=a+cab", "?id=cab", "?q=" + ATTACK):
        chromium.get(address + path)
        assert chromium.title == "words: words"
        shown = [e.text for e in chromium.find_elements("css selector", ".vecstore-results li")]
        assert any(f"a cab {ATTACK}" in text for text in shown)


def test_a_narrow_window_is_not_exceeded(chromium, address):
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    for path in ("?q=a+cab", "?id=cab", ""):
        chromium.get(address + path)
        assert chromium.execute_script("return document.documentElement.scrollWidth") == 360


def test_scripts_are_not_needed(chromium, address):
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    chromium.get(address)
    chromium.find_element("name", "q").send_keys("a cab")
    chromium.find_element("css selector", "input[type=submit]").click()
    expect(chromium, ["cab", ATTACK, "badge"])
