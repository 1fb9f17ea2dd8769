// Sends frames of the camera, and hands on the answers.
//
// With POST one frame is in flight, and the next one is the newest. With a WebSocket two are, and
// the service drops those that a newer one has overtaken.

import { ServiceError, locate } from "./service.js";

const IN_FLIGHT = 2;
const BUSY = new Set([429, 503, 504]);

/** Answer frames for one panel. live.show() gets the answer for each value of `overlap`. */
export async function runLive({ showProblem, ...live }) {
  let isBusy = false;
  live.tell = (error) => {
    if (error || isBusy) showProblem(error);
    isBusy = Boolean(error);
  };
  const canStream = live.overlaps.length === 1 && live.service.hasRoute("/stream");
  if (canStream && (await runStream(live))) return;
  await runPosts(live);
}

async function runPosts({ camera, service, overlaps, signal, makeOptions, show, tell }) {
  let number = 0;
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
      tell(error);
      await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfterS || 0.2)));
      continue;
    }
    tell(null);
    show(frame, answers, performance.now() - frame.takenMs);
  }
}

/** Return whether a WebSocket could be opened. It returns when the stream has ended. */
async function runStream({ camera, service, overlaps, signal, makeOptions, show, tell }) {
  const [overlap] = overlaps;
  const options = makeOptions(overlap);
  const url = locate("stream", options);
  url.protocol = url.protocol.replace("http", "ws");
  // A page cannot send a header with a WebSocket.
  const protocols = service.key ? ["phiz", `phiz.key.${service.key}`] : ["phiz"];
  const socket = new WebSocket(url, protocols);
  await new Promise((resolve) => (socket.onopen = socket.onclose = resolve));
  if (socket.readyState !== WebSocket.OPEN) return false;
  if (signal.aborted) socket.close();
  const pending = new Map();
  let failure = null;
  let wake = () => {};
  signal.addEventListener("abort", () => socket.close());
  socket.onclose = ({ reason }) => {
    failure ??= new ServiceError({ title: "The stream has ended", detail: reason || "start it again" });
    wake();
  };
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(data);
    const frame = pending.get(answer.frame);
    for (const number of pending.keys()) if (number <= answer.frame) pending.delete(number);
    if (answer.code && !(frame && BUSY.has(answer.status))) {
      failure = new ServiceError(answer);
      socket.close();
    } else if (frame && !signal.aborted) {
      tell(answer.code && new ServiceError(answer));
      if (!answer.code) show(frame, new Map([[overlap, answer]]), performance.now() - frame.takenMs);
    }
    wake();
  };
  let sent = 0;
  let number = 0;
  let { min_score: score = null } = options;
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
