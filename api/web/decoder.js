// A worker that finds the QR code in a picture, where the browser has nothing of its own for that.
// It is a worker also for its policy: WebAssembly may run in here, and not in the page.

import { prepareZXingModule, readBarcodes } from "./vendor/zxing-wasm/reader/index.js";

prepareZXingModule({
  overrides: { locateFile: (name) => new URL(`./vendor/zxing-wasm/${name}`, import.meta.url).href },
  fireImmediately: true,
});

onmessage = async ({ data: picture }) => {
  const found = await readBarcodes(picture, { formats: ["QRCode"], maxNumberOfSymbols: 1 });
  postMessage(found.find((code) => code.isValid)?.text ?? null);
};
