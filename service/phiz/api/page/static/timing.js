// The time of each stage as a stacked bar, and the route of `auto` in words.

import { countWords, formatMs, make } from "./dom.js";

// Their sum, and parts of `inference`.
const NO_STAGES = new Set(["total", "pnet", "rnet", "onet"]);

/** Show an answer's stages in a bar with its legend, and the rest of its time. */
export function showStages(bar, legend, timing, elapsedMs) {
  const stages = Object.entries(timing).filter(([name]) => !NO_STAGES.has(name));
  stages.push(["network and browser", Math.max(0, elapsedMs - timing.total)]);
  const texts = stages.map(([name, ms]) => `${name} ${formatMs(ms)}`);
  bar.ariaLabel = `Time: ${texts.join(", ")}`;
  const parts = stages.map(([name, ms], place) => {
    const part = make("span", { className: `part ${name}`, title: texts[place] });
    part.style.flexGrow = ms;
    return part;
  });
  bar.replaceChildren(...parts);
  const items = stages.map(([name, ms]) =>
    make("li", {}, make("i", { className: `part ${name}` }), `${name} `, make("b", {}, formatMs(ms))),
  );
  legend.replaceChildren(...items);
}

/** Show the steps that `auto` ran and skipped; other models have none. */
export function showRoute(details, route) {
  details.hidden = !route;
  if (!route) return;
  const models = route.filter(({ ran }) => ran).map(({ model }) => model);
  const steps = route.map(({ model, ran, faces, why }) => {
    const text = ran ? `ran, ${countWords(faces, "face")}` : "was skipped";
    return make("li", {}, make("b", {}, model), ` ${text}: ${why.replace("skipped: ", "")}`);
  });
  const summary = make("summary", {}, `Route: ${models.join(", then ")}`);
  details.replaceChildren(summary, make("ol", {}, ...steps));
}
