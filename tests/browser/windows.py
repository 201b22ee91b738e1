"""A browser window that notices what goes wrong in it, and looks at each page as a careful reader would."""

from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, TimeoutError  # noqa: A004  # theirs

WIDTHS = {"phone": (390, 844), "desktop": (1280, 800)}
LOCALES = {"en": "en-GB", "it": "it-IT"}
SHOTS = Path(__file__).parents[2] / ".local" / "screenshots"
LOOK = """() => {
  const seen = element => element.getClientRects().length > 0;
  const fields = [...document.querySelectorAll('input:not([type=hidden]), select, textarea')].filter(seen);
  const actions = [...document.querySelectorAll('a[href], button')].filter(seen);
  const named = element => (element.innerText || element.getAttribute('aria-label') || '').trim();
  return {
    wide: document.documentElement.scrollWidth - window.innerWidth,
    unlabelled: fields.filter(one => !one.labels.length && !one.ariaLabel).map(one => one.outerHTML),
    unnamed: actions.filter(one => !named(one)).map(one => one.outerHTML),
    small: actions.filter(one => one.matches('button, .button') && one.getBoundingClientRect().height < 40)
      .map(one => one.outerHTML),
    headings: document.querySelectorAll('h1').length,
    lang: document.documentElement.lang,
    title: document.title,
  };
}"""
FOCUS = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  return {name: at.outerHTML.slice(0, 200), ring: at.matches(':focus-visible') && style.outlineStyle !== 'none'
          && parseFloat(style.outlineWidth) >= 2};
}"""
VIOLATIONS = (
    "document.addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
)


@dataclass
class Window:
    """A page, the width it is seen at, and all that its console complained of."""

    page: Page
    width: str
    language: str
    refusals: frozenset[int]
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        """Note errors and warnings; a page that says "gone" by its status is none of them."""
        expected = any(f"status of {status} " in message.text for status in self.refusals)
        if message.type in {"error", "warning"} and not expected:
            self.complaints.append(f"{message.text} at {message.location.get('url')}")

    @property
    def sheet(self) -> Locator:
        """What our pages say of themselves in `data-state`."""
        return self.page.locator("[data-state]")

    async def state(self, wanted: str) -> None:
        """Wait until the page shows this by itself, and look at it."""
        try:
            await self.page.locator(f"[data-state={wanted}]").wait_for()
        except TimeoutError as error:
            text = await self.page.locator("body").inner_text()
            raise AssertionError(f"not {wanted}, but at {self.page.url}: {text}") from error
        await self.look(wanted)

    async def press(self, name: str) -> None:
        """Press a button or follow a link by its words, or their beginning."""
        action = self.page.get_by_role("button", name=name).or_(self.page.get_by_role("link", name=name))
        await action.first.click()

    async def type_card(self, number: str, expiry: str = "04 / 34") -> None:
        """Fill the gateway's form and send it."""
        await self.page.get_by_label("Card number").fill(number)
        await self.page.get_by_label("Expiry").fill(expiry)
        await self.page.get_by_label("Security code").fill("123")
        await self.page.get_by_label("Name on the card").fill("A. Customer")
        await self.press("Save card")

    async def look(self, name: str, *, language: str | None = None, page: Page | None = None) -> None:
        """Check what every page owes its reader, and keep a picture of it."""
        page = page or self.page
        SHOTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=SHOTS / f"{name}-{self.language}-{self.width}.png", full_page=True)
        seen = await page.evaluate(LOOK)
        assert seen["wide"] <= 0, f"{name}: {seen['wide']} px must be scrolled sideways"
        assert seen["unlabelled"] + seen["unnamed"] + seen["small"] == [], name
        assert seen["headings"] == 1, name
        assert seen["title"], name
        assert seen["lang"].split("-")[0] == (language or self.language), name

    async def focus_shows(self) -> None:
        """Walk over the page with the tab key: each stop shows where it is."""
        stops = await self.page.locator("main :is(a[href], button, input:not([type=hidden]))").count()
        assert stops
        for _ in range(stops):
            await self.page.keyboard.press("Tab")
            at = await self.page.evaluate(FOCUS)
            assert at["ring"], at["name"]


async def open_window(
    browser: Browser,
    width: str,
    *,
    language: str = "en",
    scripts: bool = True,
    refusals: frozenset[int] = frozenset(),
) -> Window:
    """Open a window.

    Args:
        width: `phone` or `desktop`.
        language: what the browser asks for.
        scripts: whether the pages' scripts run.
        refusals: statuses that the test expects; the browser's console speaks of each.
    """
    wide, high = WIDTHS[width]
    context = await browser.new_context(
        viewport={"width": wide, "height": high},
        locale=LOCALES[language],
        java_script_enabled=scripts,
        has_touch=width == "phone",
        device_scale_factor=1,
    )
    context.set_default_timeout(30_000)
    await context.add_init_script(VIOLATIONS)
    window = Window(await context.new_page(), width, language, refusals)
    context.on("console", window.hear)
    context.on("weberror", lambda error: window.complaints.append(str(error.error)))
    return window
