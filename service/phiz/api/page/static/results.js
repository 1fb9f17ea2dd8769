// The details below the picture: faces, crops, covered faces and JSON, each in a tab.

import { buildCurl } from "./commands.js";
import { buildField, readFields } from "./controls.js";
import { announce, countWords, find, make, on } from "./dom.js";
import { locate } from "./service.js";

const MAX_ROWS = 200;
const KEEP_MS = 60_000; // a download reads its address a little later

export class Results {
  /** page.getContext() returns the picture, a panel, its shown faces and its options. */
  constructor(page) {
    this.page = page;
    this.tabs = [...document.querySelectorAll("[role=tab]")];
    this.runs = { crops: new AbortController(), blur: new AbortController() };
    this.tabs.forEach((tab) => {
      const pane = getPane(tab);
      pane.role = "tabpanel";
      pane.setAttribute("aria-labelledby", tab.id);
      tab.setAttribute("aria-controls", pane.id);
      tab.addEventListener("click", () => this.#open(tab));
      tab.addEventListener("keydown", (event) => this.#move(event, tab));
    });
    document.querySelectorAll("pre").forEach(addCopyButton);
    on("#crops-form", "submit", (event) => this.#run(event, "crops", this.#cutOut));
    on("#crops-zip", "click", (event) => this.#run(event, "crops", this.#downloadAll));
    on("#blur-form", "submit", (event) => this.#run(event, "blur", this.#cover));
    on("#results", "change", () => this.update());
    this.#open(this.tabs[0]);
  }

  /** Fill in the options of /crops and /blur that /detect does not have. */
  fill(service) {
    const shared = service.getParameters("/detect");
    for (const name of ["crops", "blur"]) {
      const own = [...service.getParameters(`/${name}`).values()].filter((each) => !shared.has(each.name));
      find(`#${name}-options`).replaceChildren(...own.map((each) => buildField(each, name)));
    }
  }

  /** Forget crops and covered faces: the picture or the options have changed. */
  clear(paths = ["crops", "blur"]) {
    for (const path of paths) {
      this.runs[path].abort();
      this.runs[path] = new AbortController();
      showPictures(path);
    }
  }

  update() {
    const { picture, panel, faces, options } = this.page.getContext();
    find("#results").hidden = !panel;
    if (!panel) return;
    const { name: file } = picture;
    const hasKey = this.page.service.needsKey;
    const show = (path, chosen, output) => {
      const line = buildCurl({ url: locate(path), options: chosen, file, hasKey, output });
      const shown = find(`#curl-${path}`);
      if (path in this.runs && shown.textContent !== line) this.clear([path]);
      shown.textContent = line;
    };
    show("detect", options);
    show("crops", { ...options, ...readFields(find("#crops-options")) }, "faces.zip");
    show("blur", readFields(find("#blur-options")), file.replace(/(\.\w+)?$/, "-covered$&"));
    find("#json").textContent = JSON.stringify({ ...panel.first.body, faces }, null, 2);
    this.#showFaces(panel, faces);
  }

  #showFaces(panel, faces) {
    const rows = faces.slice(0, MAX_ROWS).map((face, number) => {
      const { box, score, id = number + 1, model, roll, pose, quality } = face;
      const label = `Show face ${id} in the picture`;
      const more = [
        model,
        roll !== undefined && `roll ${roll.toFixed(0)}°`,
        pose && `yaw ${pose.yaw.toFixed(0)}°, pitch ${pose.pitch.toFixed(0)}°`,
        quality && `sharpness ${quality.sharpness.toFixed(2)}`,
      ];
      const cells = [
        make("button", { type: "button", className: "link", ariaLabel: label }, id),
        score.toFixed(4),
        `${box.width.toFixed(0)} × ${box.height.toFixed(0)}`,
        `${box.x.toFixed(1)}, ${box.y.toFixed(1)}`,
        more.filter(Boolean).join(", "),
      ];
      const row = make("tr", {}, ...cells.map((cell) => make("td", {}, cell)));
      const chosen = { mouseenter: number, focusin: number, mouseleave: -1, focusout: -1 };
      for (const event in chosen) row.addEventListener(event, () => panel.choose(chosen[event]));
      return row;
    });
    // With the camera, rows are replaced while one has the focus.
    const focused = document.activeElement.closest("#faces tr")?.rowIndex;
    find("#faces tbody").replaceChildren(...rows);
    if (focused) rows[Math.min(focused, rows.length) - 1]?.querySelector("button").focus();
    const rest = faces.length - rows.length;
    const note = rest ? `${countWords(rest, "more face")}; the JSON has all.` : "";
    find("#faces-note").textContent = faces.length ? note : "No face is within the limits.";
  }

  async #postCrops({ blob, options }, format, choices) {
    return (await this.page.service.post("crops", { ...options, format }, blob, choices)).body;
  }

  async #cutOut(signal) {
    const { picture, options } = this.page.getContext();
    const cut = { blob: picture.blob, options: { ...options, ...readFields(find("#crops-options")) } };
    const { faces } = await this.#postCrops(cut, "json", { signal });
    this.cut = cut;
    const crops = faces.map(({ crop }, place) => {
      const bytes = Uint8Array.from(atob(crop.image), (letter) => letter.charCodeAt(0));
      return offer(new Blob([bytes], { type: crop.media_type }), `face-${place + 1}`);
    });
    showPictures("crops", ...crops);
    return `${countWords(crops.length, "face")} cut out.`;
  }

  async #downloadAll(signal) {
    const zip = await this.#postCrops(this.cut, "zip", { accept: "*/*", signal });
    const href = URL.createObjectURL(zip);
    make("a", { href, download: "faces.zip" }).click();
    setTimeout(() => URL.revokeObjectURL(href), KEEP_MS);
    return "The archive is downloaded.";
  }

  async #cover(signal) {
    const { picture } = this.page.getContext();
    const options = readFields(find("#blur-options"));
    const choices = { accept: "image/*", signal };
    const { body, faces } = await this.page.service.post("blur", options, picture.blob, choices);
    const text = `${countWords(faces, "face")} covered.`;
    const covered = offer(body, `${picture.name.replace(/\.\w+$/, "")}-covered`);
    showPictures("blur", make("p", {}, text), covered);
    return text;
  }

  async #run(event, path, work) {
    event.preventDefault();
    const button = event.submitter ?? event.currentTarget;
    button.disabled = true;
    this.page.showProblem(null);
    this.update();
    const { signal } = this.runs[path];
    try {
      announce(await work.call(this, signal));
    } catch (error) {
      if (!signal.aborted) this.page.showProblem(error);
    } finally {
      button.disabled = false;
    }
  }

  #open(chosen) {
    for (const tab of this.tabs) {
      tab.ariaSelected = tab === chosen;
      tab.tabIndex = tab === chosen ? 0 : -1;
      getPane(tab).hidden = tab !== chosen;
    }
  }

  #move({ key }, tab) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    const next = this.tabs.at((this.tabs.indexOf(tab) + step) % this.tabs.length);
    this.#open(next);
    next.focus();
  }
}

function getPane({ id }) {
  return find(`#${id.replace("tab", "pane")}`);
}

function showPictures(path, ...parts) {
  const list = find(`#pane-${path} .pictures`);
  list.querySelectorAll("img").forEach(({ src }) => URL.revokeObjectURL(src));
  list.replaceChildren(...parts);
}

function offer(blob, stem) {
  const href = URL.createObjectURL(blob);
  const download = `${stem}.${blob.type.slice(6).replace("jpeg", "jpg")}`;
  const link = make("a", { href, download, ariaLabel: `Download ${download}` }, "Download");
  return make("figure", {}, make("img", { src: href, alt: stem }), make("figcaption", {}, link));
}

function addCopyButton(text) {
  const code = make("div", { className: "code" });
  const button = make("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      // Without https a page has no clipboard, but may copy what is selected.
      getSelection().selectAllChildren(text);
      if (!document.execCommand("copy")) throw new Error("cannot copy the text; it is selected for you");
    }
    announce("Copied.");
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  text.replaceWith(code);
  code.append(text, button);
}
