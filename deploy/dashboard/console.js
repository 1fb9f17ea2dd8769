"use strict";

const { scrape_s: SCRAPE_S, charts: CHARTS } = JSON.parse(document.getElementById("charts").textContent);
const PARAMETERS = new URLSearchParams(location.search);
const MODEL = PARAMETERS.get("model") || ".*";
const SECONDS = Number(PARAMETERS.get("seconds")) || 3600;
const POINTS = 240;
const STEP_S = Math.max(SCRAPE_S, Math.ceil(SECONDS / POINTS / SCRAPE_S) * SCRAPE_S);
const REFRESH_MS = 10000;
const COLOURS = [
  "#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759", "#76b7b2",
  "#c9a227", "#9c755f", "#d37295", "#2b6f6b", "#8f7ee6", "#7f7f7f",
];
const HEAT = "242, 142, 43";
const FEW = 4; // names of a legend
const LEFT = 56, BOTTOM = 18, TOP = 6;

// As Grafana: at least four scrapes, so that a rate survives a missed one.
function fill(query) {
  const quoted = JSON.stringify(MODEL).slice(1, -1);
  const rate = `${Math.max(STEP_S + SCRAPE_S, 4 * SCRAPE_S)}s`;
  return query.replaceAll("$model", () => quoted).replaceAll("$__rate_interval", rate);
}

function name(legend, labels) {
  return legend.replace(/\{(\w+)\}/g, (_, label) => labels[label] ?? "");
}

async function ask(query, start, end) {
  const parameters = { query: fill(query), start, end, step: STEP_S };
  const answer = await fetch(`../api/v1/query_range?${new URLSearchParams(parameters)}`);
  const { status, error, data } = await answer.json();
  if (status !== "success") throw new Error(error);
  return data.result;
}

// Series of a chart: a name and a value for each moment, or NaN.
async function read(chart, start, end) {
  const answers = await Promise.all(chart.queries.map(([query]) => ask(query, start, end)));
  const count = Math.round((end - start) / STEP_S) + 1;
  return answers.flatMap((result, index) => result.map(({ metric, values }) => {
    const points = new Array(count).fill(NaN);
    for (const [time, value] of values) points[Math.round((time - start) / STEP_S)] = Number(value);
    return { name: name(chart.queries[index][1], metric), points };
  })).filter(({ points }) => points.some(Number.isFinite));
}

function format(value, unit) {
  if (!Number.isFinite(value)) return "–";
  const round = (number) => String(Number(number.toPrecision(3)));
  if (unit === "percentunit") return `${round(value * 100)} %`;
  if (unit === "s") return value >= 1 || value === 0 ? `${round(value)} s` : `${round(value * 1000)} ms`;
  if (unit === "bytes") return value >= 1e9 ? `${round(value / 1e9)} GB` : `${round(value / 1e6)} MB`;
  return unit === "reqps" ? `${round(value)}/s` : round(value);
}

// The ends of a scale with round steps from zero.
function scale(value) {
  const largest = value || 1;
  const raw = largest / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw) * power;
  const count = Math.max(1, Math.ceil(largest / step - 1e-9));
  return { top: step * count, ticks: Array.from({ length: count + 1 }, (_, index) => index * step) };
}

function element(tag, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function clock(time) {
  const shown = SECONDS > 86_400 ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(time * 1000).toLocaleString([], shown);
}

// The frame of a chart: an empty picture and where moments and values lie in it.
function frame(box, start, end) {
  const width = Math.max(box.clientWidth, 200), height = Math.max(box.clientHeight, 100);
  const picture = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const count = Math.round((end - start) / STEP_S);
  const x = (index) => LEFT + (width - LEFT) * index / count;
  const y = (share) => TOP + (height - BOTTOM - TOP) * (1 - share);
  const marks = Math.max(2, Math.floor(width / 130));
  for (let mark = 0; mark < marks; mark += 1) {
    const index = (mark + 0.5) / marks * count;
    const at = { x: x(index), y: height - 4, "text-anchor": "middle" };
    picture.append(element("text", at, clock(start + index * STEP_S)));
  }
  return { picture, x, y, width, count };
}

function path(points, x, y) {
  let text = "", pen = "M";
  points.forEach((value, index) => {
    if (Number.isFinite(value)) text += `${pen}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = Number.isFinite(value) ? "L" : "M";
  });
  return text;
}

function drawLines(chart, series, { picture, x, y, width }) {
  const tops = series.map(({ points }) => points);
  if (chart.kind === "areas") {
    for (let index = 1; index < tops.length; index += 1) {
      const below = tops[index - 1];
      tops[index] = tops[index].map((value, at) => (value || 0) + (below[at] || 0));
    }
  }
  const largest = Math.max(...tops.flat().filter(Number.isFinite));
  // A limit far above the values would flatten them; it is drawn once they come near it.
  const isNear = chart.limit && largest > chart.limit.value / 2;
  const { top, ticks } = scale(isNear ? Math.max(largest, chart.limit.value) : largest);
  const height = (value) => y(value / top);
  for (const tick of ticks) {
    const line = { class: "grid", x1: LEFT, x2: width, y1: height(tick), y2: height(tick) };
    const at = { x: LEFT - 6, y: height(tick) + 4, "text-anchor": "end" };
    picture.append(element("line", line), element("text", at, format(tick, chart.unit)));
  }
  series.forEach(({ colour }, index) => {
    if (chart.kind === "areas") {
      const floor = index ? tops[index - 1] : tops[0].map(() => 0);
      const ends = tops[index].map((value, at) => [at, value]).filter(([, value]) => Number.isFinite(value));
      const upper = ends.map(([at, value]) => `${x(at).toFixed(1)} ${height(value).toFixed(1)}`);
      const lower = ends.map(([at]) => `${x(at).toFixed(1)} ${height(floor[at] || 0).toFixed(1)}`);
      picture.append(element("polygon", {
        points: [...upper, ...lower.reverse()].join(" "), fill: colour, "fill-opacity": 0.75,
      }));
    } else {
      picture.append(element("path", { class: "line", stroke: colour, d: path(tops[index], x, height) }));
    }
  });
  if (isNear) {
    const at = height(chart.limit.value);
    picture.append(element("line", {
      class: "limit", stroke: `var(--${chart.limit.colour})`, x1: LEFT, x2: width, y1: at, y2: at,
    }));
  }
}

// Prometheus counts all observations up to a bound; a row has those above the bound before it.
function split(series) {
  const bounds = series.map(({ name: bound, points }) => [bound === "+Inf" ? Infinity : Number(bound), points]);
  bounds.sort(([first], [second]) => first - second);
  const rows = bounds.map(([bound, points], row) => {
    const below = row ? bounds[row - 1][1] : points.map(() => 0);
    return { bound, points: points.map((value, at) => Math.max(0, value - below[at])) };
  });
  const isUsed = ({ points }) => points.some((value) => value > 1e-9);
  return rows.slice(rows.findIndex(isUsed), rows.findLastIndex(isUsed) + 1);
}

function drawHeat(chart, series, { picture, x, y, count }) {
  const rows = split(series);
  const largest = Math.max(...rows.flatMap(({ points }) => points).filter(Number.isFinite));
  rows.forEach(({ bound, points }, row) => {
    const top = y((row + 1) / rows.length), bottom = y(row / rows.length);
    const text = Number.isFinite(bound) ? format(bound, chart.unit) : "more";
    picture.append(element("text", { x: LEFT - 6, y: top + 4, "text-anchor": "end" }, text));
    points.forEach((value, at) => {
      if (!(value > 1e-9)) return;
      picture.append(element("rect", {
        class: "cell", x: x(Math.max(at - 1, 0)), y: top, width: x(1) - x(0), height: bottom - top,
        fill: `rgba(${HEAT}, ${(0.1 + 0.9 * Math.sqrt(value / largest)).toFixed(2)})`,
      }));
    });
  });
  return rows.map(({ bound, points }) => ({
    name: Number.isFinite(bound) ? `up to ${format(bound, chart.unit)}` : "longer", points, unit: "none",
  }));
}

// Names with the values of a moment, at first the newest. Of many names, those at zero are counted.
function tell(list, chart, series, at) {
  const isHeat = chart.kind === "heatmap";
  const entries = isHeat && at === undefined ? [] : series.map((one) => {
    return { ...one, value: at === undefined ? one.points.findLast(Number.isFinite) : one.points[at] };
  });
  const kept = isHeat || entries.length > FEW ? entries.filter(({ value }) => value > 1e-9) : entries;
  const lines = kept.map(({ name: title, value, colour, unit }) => {
    const line = document.createElement("li");
    if (colour) line.appendChild(document.createElement("b")).style.background = colour;
    line.append(`${title} ${format(value, unit ?? chart.unit)}`);
    return line;
  });
  if (!isHeat && kept.length < entries.length) {
    lines.push(document.createElement("li"));
    lines.at(-1).textContent = `${entries.length - kept.length} at zero`;
  }
  list.replaceChildren(...lines);
}

function draw(panel, chart, series, start, end) {
  const box = panel.querySelector(".chart"), list = panel.querySelector(".legend");
  if (!series.length) {
    box.innerHTML = '<p class="empty">no data</p>';
    list.replaceChildren();
    return;
  }
  series.forEach((one, index) => { one.colour = COLOURS[index % COLOURS.length]; });
  const placed = frame(box, start, end);
  const told = chart.kind === "heatmap" ? drawHeat(chart, series, placed) : series;
  if (chart.kind !== "heatmap") drawLines(chart, series, placed);
  placed.picture.setAttribute("aria-label", panel.querySelector("h3").textContent);
  box.replaceChildren(placed.picture);
  tell(list, chart, told);
  const cursor = element("line", { class: "cursor", y1: placed.y(1), y2: placed.y(0), visibility: "hidden" });
  placed.picture.append(cursor);
  placed.picture.onpointermove = ({ offsetX }) => {
    const share = (offsetX - LEFT) / (placed.width - LEFT);
    const at = Math.min(placed.count, Math.max(0, Math.round(share * placed.count)));
    for (const [key, value] of [["x1", placed.x(at)], ["x2", placed.x(at)], ["visibility", "visible"]]) {
      cursor.setAttribute(key, value);
    }
    tell(list, chart, told, at);
  };
  placed.picture.onpointerleave = () => {
    cursor.setAttribute("visibility", "hidden");
    tell(list, chart, told);
  };
}

// The numbers are made by Prometheus, so their part of a new page replaces the old one.
async function refreshNumbers() {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-part]")) {
    const part = page.querySelector(`[data-part="${old.dataset.part}"]`);
    if (part) old.innerHTML = part.innerHTML;
  }
}

async function refreshCharts() {
  const end = Math.floor(Date.now() / 1000 / STEP_S) * STEP_S;
  const start = end - Math.ceil(SECONDS / STEP_S) * STEP_S;
  await Promise.all(CHARTS.map(async (chart, index) => {
    const series = await read(chart, start, end);
    draw(document.querySelector(`[data-chart="${index}"]`), chart, series, start, end);
  }));
}

async function refresh(isFirst) {
  const state = document.getElementById("state");
  try {
    await Promise.all([refreshCharts(), ...(isFirst ? [] : [refreshNumbers()])]);
    state.textContent = `as of ${new Date().toLocaleTimeString([], { hourCycle: "h23" })}`;
    document.body.dataset.state = "drawn";
  } catch (error) {
    state.textContent = `Prometheus did not answer: ${error.message}`;
    document.body.dataset.state = "failed";
  }
}

const form = document.querySelector("form");
form.seconds.value = String(SECONDS);
form.onchange = () => form.submit();
setInterval(() => { if (!document.hidden) refresh(false); }, REFRESH_MS);
let resized;
window.onresize = () => {
  clearTimeout(resized);
  resized = setTimeout(refreshCharts, 200);
};
refresh(true);
