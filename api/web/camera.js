// The camera as a reader of QR codes.

const LOOK_MS = 120;
const PICTURE_MAX = 720; // pixels of its shorter side: enough for a code held into the picture

/** Why there is no camera, in words; null where there may be one. */
export function whyNoCamera() {
  if (!isSecureContext) return "Browsers lend the camera to pages with https only. Type the codes in, or use a scanner that types.";
  if (!navigator.mediaDevices?.getUserMedia) return "This browser has no camera to lend. Type the codes in, or use a scanner that types.";
  return null;
}

/** Shows the camera in `video` and tells every code that comes into the picture, until the signal. */
export async function watchCodes(video, signal, onCode) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    throw new Error(error.name === "NotAllowedError"
      ? "The camera is not allowed for this page. Allow it in the browser's address bar, and try again."
      : "No camera can be had. Another program may be using it.");
  }
  const stop = () => stream.getTracks().forEach((track) => track.stop());
  if (signal.aborted) return stop();
  const decoder = await newDecoder();
  signal.addEventListener("abort", () => { stop(); decoder.close(); video.srcObject = null; });
  video.srcObject = stream;
  await video.play();
  look();

  async function look() {
    if (signal.aborted) return;
    const text = video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA ? await decoder.read(video).catch(() => null) : null;
    if (signal.aborted) return;
    if (text) onCode(text);
    setTimeout(look, LOOK_MS);
  }
}

async function newDecoder() {
  const formats = await globalThis.BarcodeDetector?.getSupportedFormats?.() ?? [];
  if (formats.includes("qr_code")) {
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    return { read: async (video) => (await detector.detect(video))[0]?.rawValue ?? null, close() {} };
  }
  const worker = new Worker("/web/decoder.js", { type: "module" });
  const canvas = document.createElement("canvas");
  return {
    read(video) {
      const scale = Math.min(1, PICTURE_MAX / Math.min(video.videoWidth, video.videoHeight));
      canvas.width = Math.round(video.videoWidth * scale);
      canvas.height = Math.round(video.videoHeight * scale);
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(video, 0, 0, canvas.width, canvas.height);
      return new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = reject;
        worker.postMessage(context.getImageData(0, 0, canvas.width, canvas.height));
      });
    },
    close: () => worker.terminate(),
  };
}
