// Frames of the camera as JPEG.

import { make } from "./dom.js";

const LONGEST_PX = 640;
const QUALITY = 0.85;

class CameraError extends Error {
  title = "No camera";
}

const REASONS = {
  NotAllowedError: "the browser may not use the camera; allow it beside the address",
  NotFoundError: "this device has no camera",
  NotReadableError: "another program uses the camera; close it, and try again",
};

export class Camera {
  stream = null;
  number = 0; // of the newest frame
  waiting = []; // for the next frame

  async open() {
    if (!navigator.mediaDevices) {
      throw new CameraError("browsers give the camera only to pages with https, or at localhost");
    }
    let stream;
    const video = make("video", { muted: true, playsInline: true });
    try {
      const wanted = { facingMode: "user", width: { ideal: 1280 } };
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
      video.srcObject = stream;
      await video.play();
    } catch (error) {
      stop(stream);
      throw new CameraError(REASONS[error.name] ?? error.message);
    }
    Object.assign(this, { stream, video });
    stream.getVideoTracks()[0].onended = () => this.#release();
    this.#watch(video);
  }

  get isOn() {
    return Boolean(this.stream);
  }

  close() {
    stop(this.stream);
    this.stream = null;
    this.#release();
  }

  /** Return the newest frame once it is another than a number's, or null if the camera is off. */
  async takeFrame(after) {
    while (this.stream?.active && this.number <= after) {
      await new Promise((resolve) => this.waiting.push(resolve));
    }
    if (!this.stream) return null;
    if (!this.stream.active) throw new CameraError("it was taken away; connect it, and start it again");
    const { number, video } = this;
    const scale = Math.min(1, LONGEST_PX / Math.max(video.videoWidth, video.videoHeight));
    const canvas = make("canvas");
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const takenMs = performance.now();
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    return { number, canvas, blob, takenMs };
  }

  async #watch(video) {
    while (video.srcObject === this.stream) {
      await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
      this.number += 1;
      this.#release();
    }
  }

  #release() {
    this.waiting.splice(0).forEach((resolve) => resolve());
  }
}

function stop(stream) {
  stream?.getTracks().forEach((track) => track.stop());
}
