// Requests to the service. All addresses are relative to the page.

const KEY_ITEM = "phiz-api-key";
const JSON_TYPE = "application/json";
const UNREACHED = "the service cannot be reached; check that it runs, and your connection";
const FOREIGN = "the answer is not from the service; a proxy in front of it may have failed";

/** An error, in the service's words (application/problem+json). */
export class ServiceError extends Error {
  constructor({ title = "Error", detail = "", code = "" }, response) {
    super(detail);
    this.title = title;
    this.code = code;
    this.status = response?.status ?? 0;
    this.requestId = response?.headers.get("X-Request-Id");
    this.retryAfterS = Number(response?.headers.get("Retry-After"));
  }
}

/** Return the address of a route, such as `detect`, with options. */
export function locate(path, options = {}) {
  const url = new URL(path, document.baseURI);
  url.username = url.password = ""; // of an address that was typed with them
  for (const [name, value] of Object.entries(options)) url.searchParams.set(name, value);
  return url;
}

export class Service {
  key = sessionStorage.getItem(KEY_ITEM) ?? "";
  description = null;

  get needsKey() {
    return Boolean(this.description?.components?.securitySchemes);
  }

  /** Keep the key until the tab is closed. */
  setKey(key) {
    this.key = key;
    sessionStorage.setItem(KEY_ITEM, key);
  }

  /** Load the description of the routes. A browser sends its own password for it. */
  async describe() {
    this.description = (await this.load("openapi.json")).body;
  }

  hasRoute(path) {
    return path in this.description.paths;
  }

  getParameters(path) {
    const [operation] = Object.values(this.description.paths[path]);
    const found = operation.parameters.filter((each) => each.in === "query");
    return new Map(found.map((each) => [each.name, each]));
  }

  async listModels() {
    return (await this.load("models", { headers: {} })).body.models;
  }

  /** Return the answer to a picture, and the milliseconds until all of it was here. */
  async post(path, options, picture, { accept = JSON_TYPE, signal } = {}) {
    const startedMs = performance.now();
    const headers = { Accept: accept, "Content-Type": "application/octet-stream" };
    const request = { method: "POST", headers, body: picture, signal };
    const kind = accept === JSON_TYPE ? "json" : "blob";
    const { response, body } = await this.load(locate(path, options), request, kind);
    const faces = Number(response.headers.get("Phiz-Faces"));
    return { body, faces, elapsedMs: performance.now() - startedMs };
  }

  /** Return a response and its body. The key is sent with headers. */
  async load(path, request = {}, kind = "json") {
    let response;
    if (this.key && request.headers) request.headers["X-API-Key"] = this.key;
    try {
      response = await fetch(locate(path), request);
      if (response.ok) return { response, body: await response[kind]() };
    } catch (error) {
      if (error.name === "AbortError") throw error;
      const detail = error instanceof SyntaxError ? FOREIGN : UNREACHED;
      throw new ServiceError({ title: "No answer", detail });
    }
    throw new ServiceError(await readProblem(response), response);
  }
}

async function readProblem(response) {
  try {
    return await response.json();
  } catch {
    return { title: `Status ${response.status}`, detail: FOREIGN };
  }
}
