// Elements of the page. Text is set as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

export function find(selector, root = document) {
  return root.querySelector(selector);
}

export function on(selector, event, act) {
  find(selector).addEventListener(event, act);
}

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function countWords(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

export function formatMs(milliseconds) {
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

/** Tell people who listen to the page, unless they know. */
export function announce(text) {
  const status = find("#status");
  if (status.textContent !== text) status.textContent = text;
}
