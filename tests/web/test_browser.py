"""The console in a real browser. Needs Debian's chromium and chromium-driver, or skips."""

import asyncio
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from support.console.example_ledgers import a_busy_ledger
from support.processes.web_server import served

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
# Runs in a page of another site: whether it can get at the console.
KNOCK = """
const done = arguments[arguments.length - 1];
const socket = new WebSocket(arguments[0]);
socket.onopen = () => done("opened");
socket.onerror = () => done("refused");
"""


@pytest.fixture
def browser() -> Generator[webdriver.Chrome, None, None]:
    if BROWSER is None or DRIVER is None:
        pytest.skip("chromium and chromium-driver are not installed here")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1280,800",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


async def until(condition: Callable[[], bool], what: str) -> None:
    """Give the browser time until it is so."""
    for _ in range(600):
        if await asyncio.to_thread(condition):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(what)


def body_has(browser: webdriver.Chrome, name: str) -> bool:
    return name in (browser.find_element(By.TAG_NAME, "body").get_attribute("class") or "")


async def test_the_link_opens_a_console_that_uses_no_other_server(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    a_busy_ledger(tmp_path).close()
    async with served(tmp_path) as server:
        await asyncio.to_thread(browser.get, server.link)
        assert browser.current_url == f"{server.address}/"
        await until(lambda: body_has(browser, "-first-byte"), "nothing was drawn")
        assert browser.title == "Titan Console (web view)"
        first = browser.get_screenshot_as_png()
        browser.switch_to.active_element.send_keys("2")
        await until(lambda: browser.get_screenshot_as_png() != first, "no key had an effect")
        asked: list[str] = browser.execute_script(
            "return performance.getEntriesByType('resource').map(entry => entry.name)"
        )
        assert asked
        assert all(name.startswith((server.address, "data:")) for name in asked)
        browser.switch_to.active_element.send_keys("q")
        await until(lambda: body_has(browser, "-closed"), "q did not end the session")


async def test_a_page_of_another_site_cannot_reach_the_console(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    a_busy_ledger(tmp_path).close()
    async with served(tmp_path) as server:
        await asyncio.to_thread(browser.get, server.link)
        await asyncio.to_thread(browser.get, "data:text/html,<p>elsewhere")
        socket = f"ws://127.0.0.1:{server.port}/ws"
        assert browser.execute_async_script(KNOCK, socket) == "refused"
