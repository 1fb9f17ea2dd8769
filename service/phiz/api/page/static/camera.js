// Frames of the camera as JPEG.

const LONGEST_PX = 640;
const QUALITY = 0.85;

export class CameraError extends Error {
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
    try {
      const video = { facingMode: "user", width: { ideal: 1280 } };
      this.stream = await navigator.mediaDevices.getUserMedia({ video });
    } catch (error) {
      throw new CameraError(REASONS[error.name] ?? error.message);
    }
    this.video = document.createElement("video");
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.srcObject = this.stream;
    this.#watch(this.video);
    await this.video.play();
  }

  get isOn() {
    return Boolean(this.stream);
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.#release();
  }

  /** Return the newest frame once it is another than a number's, or null if the camera is off. */
  async takeFrame(after) {
    while (this.stream && this.number <= after) {
      await new Promise((resolve) => this.waiting.push(resolve));
    }
    if (!this.stream) return null;
    const { number, video } = this;
    const scale = Math.min(1, LONGEST_PX / Math.max(video.videoWidth, video.videoHeight));
    const canvas = document.createElement("canvas");
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
