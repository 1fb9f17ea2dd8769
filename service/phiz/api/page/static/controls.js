// The controls beside the picture. Models and options are those that the service describes.

import { find, make, on } from "./dom.js";
import { WIDE_SCORE } from "./filter.js";

// These have controls of their own, or none.
const OWN = new Set(["model", "min_score", "min_face", "overlap", "format", "url", "smooth"]);
const BOTH = "both";

function getDefault({ description }) {
  return /Default: `(\w+)`/.exec(description)?.[1];
}

/** Return an option of the OpenAPI description as a label, a field and help. */
export function buildField(parameter, prefix) {
  const { name, schema, description } = parameter;
  const id = `${prefix}-${name}`;
  const help = make("small", { id: `${id}-help` }, description.replaceAll("`", ""));
  const field = schema.enum
    ? make("select", {}, ...schema.enum.map((value) => make("option", { value }, value)))
    : make("input", {
        type: "number",
        min: schema.minimum ?? "",
        max: schema.maximum ?? "",
        step: schema.type === "integer" ? 1 : "any",
        placeholder: "default",
      });
  if (schema.enum) field.value = field.dataset.own = getDefault(parameter) ?? schema.enum[0];
  field.id = id;
  field.name = name;
  field.setAttribute("aria-describedby", help.id);
  return make("div", { className: "field" }, make("label", { htmlFor: id }, name), field, help);
}

/** Return the options of fields whose value is not the default. */
export function readFields(root) {
  const fields = [...root.querySelectorAll("select, input")];
  const changed = fields.filter(({ value, dataset }) => value !== "" && value !== dataset.own);
  return Object.fromEntries(changed.map(({ name, value }) => [name, value]));
}

export class Controls {
  /** askAll, askNew: the options, the models have changed. filter: the limits have. */
  constructor({ askAll, askNew, filter }) {
    this.limits = { score: null, size: 0 };
    this.score = find("#score");
    this.size = find("#size");
    this.options = find("#options");
    this.models = [];
    this.score.min = WIDE_SCORE;
    const limit = (name, value) => {
      this.limits[name] = value;
      this.#showLimits();
      filter();
    };
    on("#score", "input", () => limit("score", Number(this.score.value)));
    on("#size", "input", () => limit("size", Number(this.size.value)));
    on("#own-limit", "click", () => limit("score", null));
    on("#models", "change", () => {
      this.#showLimits();
      askNew();
    });
    on("#overlap", "change", askAll);
    on("#options", "change", askAll);
  }

  fill(models, parameters) {
    this.models = models.toSorted((a, b) => (b.name === "auto") - (a.name === "auto"));
    const boxes = this.models.map(({ name, title }, place) => {
      const box = make("input", { type: "checkbox", value: name, checked: !place });
      const text = make("span", {}, make("b", {}, name), make("small", {}, title));
      return make("label", { className: "choice" }, box, text);
    });
    find("#models .choices").replaceChildren(...boxes);
    const overlap = parameters.get("overlap");
    this.ownOverlap = getDefault(overlap);
    this.allOverlaps = overlap.schema.enum;
    const radios = [...this.allOverlaps, BOTH].map((value) => {
      const checked = value === this.ownOverlap;
      const radio = make("input", { type: "radio", name: "overlap", value, checked });
      return make("label", { className: "segment" }, radio, make("span", {}, value));
    });
    find("#overlap .choices").replaceChildren(...radios);
    find("#overlap-help").textContent = overlap.description.replaceAll("`", "");
    const others = [...parameters.values()].filter(({ name }) => !OWN.has(name));
    this.options.replaceChildren(...others.map((each) => buildField(each, "option")));
    this.#showLimits();
  }

  get chosenModels() {
    return this.models.filter(({ name }) => find(`#models [value=${name}]`).checked);
  }

  get overlaps() {
    const { value } = find("#overlap :checked");
    return value === BOTH ? this.allOverlaps : [value];
  }

  /** Return the options of a request that are not the default, without the limits. */
  makeOptions(model, overlap) {
    const merged = overlap === this.ownOverlap ? {} : { overlap };
    return { model: model.name, ...merged, ...readFields(this.options) };
  }

  setLargest(pixels) {
    this.size.max = Math.max(64, Math.ceil(pixels), this.limits.size);
  }

  #showLimits() {
    const { score, size } = this.limits;
    const models = this.chosenModels;
    const own = models.length === 1 ? `the model's own, ${models[0].min_score}` : "each model's own";
    if (score === null && models.length) this.score.value = models[0].min_score;
    find("#own-limit").disabled = score === null;
    tell(this.score, score === null ? own : `at least ${score.toFixed(2)}`);
    tell(this.size, size ? `at least ${size} px` : "any size");
  }
}

function tell(slider, text) {
  find(`#${slider.id}-value`).textContent = text;
  slider.ariaValueText = text;
}
