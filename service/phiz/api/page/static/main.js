// The page: from a picture or the camera to answers, and to what is shown.

import { Camera } from "./camera.js";
import { Controls } from "./controls.js";
import { announce, countWords, find, formatMs, make, on } from "./dom.js";
import { WIDE_SCORE, needsWide } from "./filter.js";
import { runLive } from "./live.js";
import { Panel } from "./panel.js";
import { Results } from "./results.js";
import { Service } from "./service.js";

// With these, other models would answer the same.
const FINAL_STATUSES = new Set([0, 400, 401, 403, 408, 415, 429]);
const UPDATE_MS = 250; // between changes of text, with the camera
const RATE_FRAMES = 30;

const service = new Service();
const camera = new Camera();
const controls = new Controls({ askAll, askNew, filter });
const results = new Results({ service, showProblem, getContext });
const panels = new Map(); // by the name of the model, in their order
let picture = null; // { blob, name, url }
let current = ""; // the model whose answer is shown in detail
let run = new AbortController();
let isOpening = false; // the camera

function showProblem(error) {
  const box = find("#problem");
  box.hidden = !error;
  if (!error) return;
  const { title = "The page failed", message, code = "", requestId, retryAfterS } = error;
  const wait = retryAfterS ? ` Try again in ${countWords(retryAfterS, "second")}.` : "";
  const trace = requestId ? `${code} · request ${requestId}` : code;
  const text = make("p", {}, `${message}.${wait}`);
  box.replaceChildren(make("b", {}, title), text, make("small", {}, trace));
}

function getContext() {
  const panel = panels.get(current);
  if (!panel?.first) return {};
  const [overlap] = panel.answers.keys();
  const { score, size } = controls.limits;
  const options = controls.makeOptions(panel.model, overlap);
  if (score !== null) options.min_score = score;
  if (size) options.min_face = size;
  return { picture, panel, faces: panel.list(overlap, controls.limits), options };
}

function arrangePanels() {
  const before = new Map(panels);
  panels.clear();
  for (const model of controls.chosenModels) {
    const panel = before.get(model.name) ?? new Panel(model, setCurrent);
    if (!before.has(model.name) && picture?.url) panel.showPicture(picture);
    panels.set(model.name, panel);
  }
  const names = [...panels.keys()];
  find("#panels").replaceChildren(...Array.from(panels.values(), ({ element }) => element));
  find("#panels").classList.toggle("several", names.length > 1);
  showCamera();
  find("#answer").replaceChildren(...names.map((name) => make("option", { value: name }, name)));
  find("#answer-field").hidden = names.length < 2;
  setCurrent(names.includes(current) ? current : (names[0] ?? ""));
}

function setCurrent(name) {
  current = name;
  find("#answer").value = name;
  for (const [other, { element }] of panels) {
    element.classList.toggle("current", other === name && panels.size > 1);
  }
  results.update();
}

function listAnswered() {
  return [...panels.values()].filter(({ first }) => first);
}

/** Ask again, because the picture or the options have changed. */
function askAll() {
  for (const panel of panels.values()) panel.forget();
  results.clear();
  return askNew();
}

async function askNew() {
  if (find("#controls").hidden) return connect();
  run.abort();
  run = new AbortController();
  const { signal } = run;
  showProblem(null);
  arrangePanels();
  if (!panels.size) announce("Choose a model.");
  else if (camera.isOn) document.hidden || (await watch(signal));
  else if (picture) await askPanels(signal);
}

async function askPanels(signal) {
  let goesOn = true;
  // One after another, so that their times can be compared.
  for (const panel of panels.values()) {
    if (panel.first) continue;
    if (goesOn) goesOn = await askOne(panel, signal);
    else panel.fail({ title: "Not asked" });
    if (signal.aborted) return;
  }
  filter();
  const texts = listAnswered().map(({ model, count, rate }) => {
    return `${model.name}: ${count.textContent} in ${rate.textContent}.`;
  });
  if (texts.length) announce(texts.join(" "));
}

/** Return whether other models are worth asking. */
async function askOne(panel, signal) {
  panel.element.ariaBusy = true;
  try {
    const answers = new Map();
    for (const overlap of controls.overlaps) {
      const options = controls.makeOptions(panel.model, overlap);
      answers.set(overlap, await service.post("detect", options, picture.blob, { signal }));
    }
    panel.answers = answers;
    panel.update(controls.limits);
    panel.rate.textContent = formatMs(panel.first.body.timing_ms.total);
    results.update();
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    panel.fail(error);
    showProblem(error);
    return !FINAL_STATUSES.has(error.status);
  } finally {
    panel.element.ariaBusy = false;
  }
}

function filter() {
  for (const panel of panels.values()) panel.update(controls.limits);
  describeLimits();
  results.update();
  if (!camera.isOn && picture) askWide(run.signal);
}

/** Ask for the faces of low scores, once, where the limits are lower than a model's own. */
async function askWide(signal) {
  for (const panel of panels.values()) {
    if (!panel.first || panel.wide || !needsWide(controls.limits.score, panel.model)) continue;
    const wide = (panel.wide = new Map());
    try {
      for (const overlap of panel.answers.keys()) {
        const options = { ...controls.makeOptions(panel.model, overlap), min_score: WIDE_SCORE };
        wide.set(overlap, await service.post("detect", options, picture.blob, { signal }));
      }
      if (panel.wide === wide) filter();
    } catch (error) {
      panel.wide = null;
      if (!signal.aborted) showProblem(error);
    }
  }
}

/** Say which faces are shown, and let the slider reach the largest. */
function describeLimits() {
  const { score, size } = controls.limits;
  const answered = listAnswered();
  const boxes = answered.flatMap(({ first }) => first.body.faces.map(({ box }) => box));
  controls.setLargest(Math.max(0, ...boxes.map(({ width, height }) => Math.min(width, height))));
  const isWide = answered.some(({ model }) => needsWide(score, model));
  let text = boxes.length ? "These are the service's default answers." : "";
  if (isWide && camera.isOn) text = `Each frame is sent with min_score=${score}.`;
  else if (isWide) text = `Filtered here, from a second answer with min_score=${WIDE_SCORE}.`;
  else if (score !== null || size) text = "Filtered here, without another request.";
  find("#limits-note").textContent = text;
}

async function watch(signal) {
  announce("The camera is on.");
  try {
    await Promise.all([...panels.values()].map((panel) => watchOne(panel, signal)));
  } catch (error) {
    if (signal.aborted) return;
    stopCamera();
    showProblem(error);
  }
}

function watchOne(panel, signal) {
  const { model } = panel;
  const times = [];
  let updatedMs = 0;
  panel.forget();
  const makeOptions = (overlap) => {
    const { score } = controls.limits;
    const lower = needsWide(score, model) ? { min_score: score } : {};
    return { ...controls.makeOptions(model, overlap), ...lower };
  };
  const show = (frame, answers, elapsedMs) => {
    picture = { blob: frame.blob, name: "frame.jpg", url: "" };
    panel.showFrame(frame.canvas);
    for (const [overlap, body] of answers) {
      panel.answers.set(overlap, { body, elapsedMs });
      panel.measure(overlap, body.faces);
    }
    panel.update(controls.limits);
    panel.element.dataset.frames = frame.number;
    const nowMs = performance.now();
    times.push(nowMs);
    if (times.length > RATE_FRAMES) times.shift();
    if (nowMs - updatedMs < UPDATE_MS) return;
    updatedMs = nowMs;
    const rate = ((times.length - 1) * 1000) / (nowMs - times[0] || 1);
    panel.rate.textContent = `${rate.toFixed(0)} frames/s · ${formatMs(elapsedMs)}`;
    if (model.name !== current) return;
    showSteadiness(panel);
    describeLimits();
    results.update();
    announce(panel.count.textContent);
  };
  const { overlaps } = controls;
  return runLive({ camera, service, overlaps, signal, show, showProblem, makeOptions });
}

function showSteadiness({ steadiness }) {
  const known = [...steadiness].filter(([, each]) => each.median !== null);
  find("#steadiness").hidden = !known.length;
  const most = Math.max(...known.map(([, each]) => each.median), 0.001);
  const rows = known.flatMap(([overlap, { median }]) => {
    const bar = make("i");
    bar.style.width = `${(100 * median) / most}%`;
    return [make("dt", {}, overlap), make("dd", {}, bar, `${(100 * median).toFixed(2)} %`)];
  });
  find("#steadiness dl").replaceChildren(...rows);
}

async function startCamera() {
  if (isOpening) return;
  isOpening = true;
  showProblem(null);
  const before = picture;
  try {
    await camera.open();
    if (picture !== before) return camera.close(); // another was opened meanwhile
    setPicture(null);
    askAll();
  } finally {
    isOpening = false;
  }
}

function stopCamera() {
  camera.close();
  run.abort();
  run = new AbortController();
  if (picture) picture.url = URL.createObjectURL(picture.blob);
  results.clear();
  showCamera();
  announce("The camera is off.");
}

function showCamera() {
  find("#camera").textContent = camera.isOn ? "Stop" : "Camera";
  find("#empty").hidden = Boolean(picture || camera.isOn);
}

function setPicture(next) {
  if (picture?.url) URL.revokeObjectURL(picture.url);
  picture = next;
  for (const { steadiness } of panels.values()) steadiness.clear();
  find("#steadiness").hidden = true;
}

async function openPicture(file) {
  if (!file) return;
  if (camera.isOn) stopCamera();
  const opened = { blob: file, name: file.name || "picture", url: URL.createObjectURL(file) };
  setPicture(opened);
  const canShow = make("img", { src: opened.url }).decode().then(() => true, () => false);
  for (const panel of panels.values()) panel.showPicture(opened);
  await askAll();
  if (picture === opened && !(await canShow)) await showConverted(opened);
}

/** Show a picture that the browser cannot read, such as TIFF, as the service reads it. */
async function showConverted(opened) {
  opened.url = "";
  for (const { view } of panels.values()) view.replaceChildren();
  if (!listAnswered().length) return;
  // No face is so large, so none is drawn in.
  const options = { model: "front", min_face: 65535, format: "jpeg" };
  try {
    const { body } = await service.post("detect", options, opened.blob, { accept: "image/jpeg" });
    if (picture !== opened) return;
    opened.url = URL.createObjectURL(body);
    for (const panel of panels.values()) panel.showPicture(opened);
  } catch (error) {
    if (picture === opened) showProblem(error);
  }
}

async function openExample() {
  const { body } = await service.load("page/example.jpg", {}, "blob");
  await openPicture(new File([body], "example.jpg"));
}

/** Tell of errors that nothing has caught. */
function tellUncaught({ error, reason = error }) {
  if (reason) showProblem(reason);
}

async function connect() {
  showProblem(null);
  await service.describe();
  find("#version").textContent = service.description.info.version;
  find("#key-form").hidden = !service.needsKey;
  if (service.needsKey && !service.key) return;
  controls.fill(await service.listModels(), service.getParameters("/detect"));
  results.fill(service);
  find("#controls").hidden = false;
  if (picture || camera.isOn) await askAll();
}

addEventListener("error", tellUncaught);
addEventListener("unhandledrejection", tellUncaught);
// A hidden tab gets no frames, and the service ends silent streams.
document.addEventListener("visibilitychange", () => camera.isOn && askNew());
const chooser = find("#file");
on("#choose", "click", () => chooser.click());
on("#file", "change", () => openPicture(chooser.files[0]).finally(() => (chooser.value = "")));
on("#camera", "click", () => (camera.isOn ? stopCamera() : startCamera()));
on("#example", "click", openExample);
on("#answer", "change", (event) => setCurrent(event.target.value));
on("body", "paste", (event) => openPicture(event.clipboardData.files[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  on("body", kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragged", kind === "dragover");
    if (kind === "drop") openPicture(event.dataTransfer.files[0]);
  });
}
on("#key-form", "submit", (event) => {
  event.preventDefault();
  service.setKey(find("#key").value.trim());
  connect();
});
connect();
