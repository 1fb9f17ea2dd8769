// Sends frames of the camera, and hands on the answers.
//
// With POST one frame is in flight, and the next one is the newest. With a WebSocket two are, and
// the service drops those that a newer one has overtaken.

import { ServiceError, locate } from "./service.js";

const IN_FLIGHT = 2;
const BUSY = new Set([429, 503, 504]);

/** Answer frames for one panel. live.show() gets the answer for each value of `overlap`. */
export async function runLive(live) {
  const canStream = live.overlaps.length === 1 && live.service.hasRoute("/stream");
  if (canStream && (await runStream(live))) return;
  await runPosts(live);
}

async function runPosts({ camera, service, overlaps, signal, makeOptions, show, showProblem }) {
  let number = 0;
  let isBusy = false;
  while (!signal.aborted) {
    const frame = await camera.takeFrame(number);
    if (!frame || signal.aborted) return;
    number = frame.number;
    const answers = new Map();
    try {
      for (const overlap of overlaps) {
        const { body } = await service.post("detect", makeOptions(overlap), frame.blob, { signal });
        answers.set(overlap, body);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!BUSY.has(error.status)) throw error;
      isBusy = true;
      showProblem(error);
      await pause(1000 * Math.max(0.2, error.retryAfterS), signal);
      continue;
    }
    if (isBusy) showProblem((isBusy = false));
    show(frame, answers, performance.now() - frame.takenMs);
  }
}

/** Return whether a WebSocket could be opened. It returns when the stream has ended. */
async function runStream({ camera, service, overlaps, signal, makeOptions, show }) {
  const [overlap] = overlaps;
  const url = locate("stream", makeOptions(overlap));
  url.protocol = url.protocol.replace("http", "ws");
  // A page cannot send a header with a WebSocket.
  const protocols = service.key ? ["phiz", `phiz.key.${service.key}`] : ["phiz"];
  const socket = new WebSocket(url, protocols);
  if (!(await isOpen(socket))) return false;
  const pending = new Map();
  let failure = null;
  let wake = () => {};
  signal.addEventListener("abort", () => socket.close());
  socket.addEventListener("close", ({ reason }) => {
    failure ??= new ServiceError({ title: "The stream has ended", detail: reason || "start it again" });
    wake();
  });
  socket.addEventListener("message", ({ data }) => {
    const answer = JSON.parse(data);
    const frame = pending.get(answer.frame);
    for (const number of pending.keys()) if (number <= answer.frame) pending.delete(number);
    if (answer.code && !(frame && BUSY.has(answer.status))) {
      failure = new ServiceError(answer);
      socket.close();
    } else if (frame && !answer.code && !signal.aborted) {
      show(frame, new Map([[overlap, answer]]), performance.now() - frame.takenMs);
    }
    wake();
  });
  let sent = 0;
  let number = 0;
  let { min_score: score = null } = makeOptions(overlap);
  while (socket.readyState === WebSocket.OPEN) {
    if (pending.size >= IN_FLIGHT) {
      await new Promise((resolve) => (wake = resolve));
      continue;
    }
    const frame = await camera.takeFrame(number);
    if (!frame || socket.readyState !== WebSocket.OPEN) break;
    number = frame.number;
    const { min_score: wanted = null } = makeOptions(overlap);
    if (wanted !== score) socket.send(JSON.stringify({ min_score: wanted }));
    score = wanted;
    pending.set((sent += 1), frame);
    socket.send(frame.blob);
  }
  socket.close();
  if (failure && camera.isOn && !signal.aborted) throw failure;
  return true;
}

function isOpen(socket) {
  return new Promise((resolve) => {
    socket.addEventListener("open", () => resolve(true));
    socket.addEventListener("close", () => resolve(false));
  });
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", resolve);
  });
}
