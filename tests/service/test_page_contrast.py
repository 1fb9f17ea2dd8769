"""The contrast of the texts of the page at /, as WCAG 2.2 computes it (success criterion 1.4.3)."""

import pytest

from tests.browser import Browser

from .page import IS_IDLE, click, detect, show
from .running import GROUP, Running

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]

MIN_RATIO = 4.5
# Shows all that is hidden, with texts in what is empty; disabled controls may be faint.
REVEAL = """{
  for (const element of document.querySelectorAll("[hidden]")) element.hidden = false;
  for (const element of document.querySelectorAll("details")) element.open = true;
  document.querySelector("#problem").innerText = "A problem";
  const again = document.querySelectorAll(":disabled");
  for (const element of again) element.disabled = false;
}"""
# Returns the ratio of each colour of a text to what is behind it, with an example of the text.
MEASURE = """(() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (colour, alpha = 1) => {
    context.globalAlpha = alpha;
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const measure = (element, pseudo = null) => {
    const grounds = [];
    let shown = 1;
    for (let each = element; each; each = each.parentElement) {
      const { backgroundColor, opacity } = getComputedStyle(each);
      grounds.unshift(backgroundColor);
      shown *= opacity;
    }
    const [ground] = grounds.map((each) => paint(each)).slice(-1);
    const text = paint(getComputedStyle(element, pseudo).color, shown);
    const [low, high] = [light(text), light(ground)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const found = {};
  const note = (element, text, pseudo) => {
    const ratio = measure(element, pseudo);
    found[ratio.toFixed(2)] ??= `${element.tagName}#${element.id}.${element.className}: ${text}`;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement: element, textContent: text } = walker.currentNode;
    if (text.trim() && !element.closest("svg")) note(element, text);
  }
  for (const element of document.querySelectorAll("select, [type=number]")) {
    note(element, element.value);
    if (element.placeholder) note(element, element.placeholder, "::placeholder");
  }
  return found;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(page: Browser, service: Running, scheme: str) -> None:
    page.prefer(scheme)
    show(page, GROUP, len(detect(service, GROUP)["faces"]))
    click(page, "#models [value=front]")
    page.wait_for(f"document.querySelector('[data-model=front] .legend li') && {IS_IDLE}")
    page.evaluate(REVEAL)
    ratios = page.evaluate(MEASURE)
    page.prefer("light")
    assert len(ratios) > 3
    assert {text: ratio for ratio, text in ratios.items() if float(ratio) < MIN_RATIO} == {}
