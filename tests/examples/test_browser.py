"""The page of examples/browser in a real browser: digits drawn with the mouse, and what the page then shows."""

from __future__ import annotations

import math
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.wasm.js.browser import Browser, served
from tests.wasm.js.engines import newest_node

pytestmark = pytest.mark.heavy

REPOSITORY = Path(__file__).parent.parent.parent
EXAMPLE = REPOSITORY / "examples" / "browser"

Stroke = list[tuple[float, float]]
"""Points [x, y], 0..1 across the drawing area."""


def _arc(x: float, y: float, wide: float, high: float, start: int, end: int) -> Stroke:
    step = 20 if end > start else -20
    angles = [math.radians(angle) for angle in range(start, end + step, step)]
    return [(x + wide * math.cos(angle), y + high * math.sin(angle)) for angle in angles]


DRAWINGS: dict[str, tuple[int, list[Stroke]]] = {
    "zero": (0, [_arc(0.5, 0.5, 0.22, 0.38, -90, 270)]),
    "one": (1, [[(0.38, 0.32), (0.5, 0.12), (0.5, 0.88)]]),
    "one-as-a-line": (1, [[(0.52, 0.15), (0.48, 0.85)]]),
    "two": (2, [[*_arc(0.5, 0.32, 0.21, 0.2, -170, 40), (0.27, 0.88), (0.75, 0.88)]]),
    "three": (3, [[*_arc(0.47, 0.31, 0.22, 0.19, -150, 80), *_arc(0.47, 0.67, 0.25, 0.2, -80, 150)]]),
    "four-in-two-strokes": (4, [[(0.55, 0.12), (0.28, 0.62), (0.75, 0.62)], [(0.6, 0.37), (0.6, 0.88)]]),
}

DRAW = """
const draw = async (strokes) => {
  const { x, y, width, height } = await page.locator("canvas").boundingBox();
  for (const [[x0, y0], ...others] of strokes) {
    await page.mouse.move(x + x0 * width, y + y0 * height);
    await page.mouse.down();
    for (const [x1, y1] of others) await page.mouse.move(x + x1 * width, y + y1 * height);
    await page.mouse.up();
  }
  await page.locator("#bars .best").waitFor();
  await shown();
};
const shown = () => page.evaluate(() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(done));
}));
const read = () => page.evaluate(() => ({
  class: document.querySelector("#class").textContent,
  time: document.querySelector("#time").textContent,
  probabilities: [...document.querySelectorAll("#bars li")].map((row) => Number(row.dataset.probability)),
  pixels: [...document.querySelectorAll("#pixels i")].map((pixel) => 16 * Number(pixel.style.opacity)),
  problem: document.querySelector("#problem").textContent,
}));
await page.locator("#bars li[data-probability], #problem:not([hidden])").first().waitFor();
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(newest_node()) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page with the files that the README's first command makes."""
    from skerry.cli import run  # noqa: PLC0415 - only heavy tests need it

    folder = tmp_path_factory.mktemp("browser")
    shutil.copy(EXAMPLE / "index.html", folder)
    program, *arguments = shlex.split(_commands()[0])
    assert program == "skerry"
    made = [one.replace("examples/browser", str(folder)).replace("examples/digits", _digits()) for one in arguments]
    assert run([*made, "--json"]) == 0
    with served(folder) as origin:
        yield f"{origin}/index.html"


def _digits() -> str:
    return str(REPOSITORY / "examples" / "digits")


def _commands() -> list[str]:
    lines = (EXAMPLE / "README.md").read_text().splitlines()
    return [line.strip() for line in lines if line.startswith("    ")]


def _looks_learned(pixels: list[float]) -> bool:
    """Whether they are counts 0..16 that fill the height; the images of examples/digits have 313 of ink on average."""
    rows = [sum(pixels[start : start + 8]) for start in range(0, 64, 8)]
    return all(count in range(17) for count in pixels) and min(rows) > 0 and 150 < sum(pixels) < 450


@pytest.mark.parametrize(("digit", "strokes"), DRAWINGS.values(), ids=DRAWINGS)
def test_reads_a_drawn_digit(browser: Browser, page: str, digit: int, strokes: list[Stroke]) -> None:
    said = browser.run(page, f"{DRAW} await draw(given); return read();", strokes)
    assert said["class"] == str(digit)
    assert len(said["probabilities"]) == 10
    assert sum(said["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert said["probabilities"].index(max(said["probabilities"])) == digit
    assert said["time"].endswith(" µs an inference")
    assert said["problem"] == ""
    assert _looks_learned(said["pixels"])


def test_size_and_place_of_a_drawing_do_not_matter(browser: Browser, page: str) -> None:
    _, strokes = DRAWINGS["three"]
    small = [[(0.6 + 0.3 * x, 0.05 + 0.3 * y) for x, y in stroke] for stroke in strokes]
    said = [browser.run(page, f"{DRAW} await draw(given); return read();", each) for each in (strokes, small)]
    assert said[0]["class"] == said[1]["class"]
    assert max(abs(a - b) for a, b in zip(said[0]["pixels"], said[1]["pixels"], strict=True)) <= 3


def test_clear_starts_anew(browser: Browser, page: str) -> None:
    body = f'{DRAW} const empty = await read(); await draw(given); await page.click("button"); await shown();'
    empty, cleared = browser.run(page, f"{body} return [empty, await read()];", DRAWINGS["zero"][1])
    assert cleared == empty
    assert cleared["class"] == cleared["time"] == ""
    assert sum(cleared["pixels"]) == 0


def test_answers_while_a_stroke_is_drawn(browser: Browser, page: str) -> None:
    body = """
    const { x, y, width, height } = await page.locator("canvas").boundingBox();
    await page.mouse.move(x + width / 2, y + height / 4);
    await page.mouse.down();
    await shown();
    const dot = await read();
    await page.mouse.move(x + width / 2, y + height * 3 / 4, { steps: 5 });
    await shown();
    return [dot, await read()];
    """
    dot, line = browser.run(page, DRAW + body)
    assert sum(dot["pixels"]) > 0
    assert sum(dot["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert line["class"] == "1"


def test_loads_nothing_from_elsewhere(browser: Browser, page: str) -> None:
    body = """
    const urls = [];
    page.on("request", (request) => urls.push(request.url()));
    await page.reload({ waitUntil: "networkidle" });
    return urls;
    """
    folder = page.removesuffix("index.html")
    urls = [url for url in browser.run(page, DRAW + body) if not url.startswith("data:")]
    assert sorted(urls) == [f"{folder}digits.mjs", f"{folder}digits.wasm", f"{folder}index.html"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 641, 1280])
def test_fits_the_screen(browser: Browser, page: str, scheme: str, width: int) -> None:
    body = """
    await page.setViewportSize({ width: given.width, height: 700 });
    await page.emulateMedia({ colorScheme: given.scheme });
    return page.evaluate(() => {
      const light = (name) => {
        const [r, g, b] = getComputedStyle(document.body)[name].match(/[0-9]+/g).map(Number);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const { scrollWidth, clientWidth } = document.documentElement;
      return { scrollWidth, clientWidth, text: light("color"), page: light("backgroundColor") };
    });
    """
    said: dict[str, Any] = browser.run(page, DRAW + body, {"width": width, "scheme": scheme})
    assert said["scrollWidth"] <= said["clientWidth"]
    assert (said["text"] < said["page"]) == (scheme == "light")


def test_says_what_to_do_without_the_model(browser: Browser, tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "index.html", tmp_path)
    with served(tmp_path) as origin:
        problem = browser.run(f"{origin}/index.html", f"{DRAW} return (await read()).problem;")
    assert problem.startswith("The model did not load: ")
    assert all(command in problem for command in _commands())


def test_says_so_when_only_the_module_is_missing(browser: Browser, tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "index.html", tmp_path)
    shutil.copy(REPOSITORY / "skerry" / "js" / "skerry_module.js", tmp_path / "digits.mjs")
    with served(tmp_path) as origin:
        problem = browser.run(f"{origin}/index.html", f"{DRAW} return (await read()).problem;")
        assert f"response of {origin}/digits.wasm: expected status 200, got 404" in problem
