// The checks that need no parsing: path, method, content type, size. Nothing is read before they pass, and never more
// bytes than the contract allows.

import { malformed, Refusal, Undecided } from "./problem.js";

const CONTENT_TYPES = new Set(["", "application/json", "application/octet-stream"]);

/** Bodies above this are forwarded unread, whatever the contract allows: a Workers isolate has 128 MB of memory. */
export const MAX_INSPECTED_BYTES = 32 * 1024 * 1024;

/** Whether a path is this model's inference endpoint (Open Inference Protocol v2, "Inference"). */
export function isInference(path, settings) {
  const model = `/v2/models/${settings.model}`;
  return path === `${model}/infer` || path === `${model}/versions/${settings.version}/infer`;
}

export function checkMethod(request) {
  if (request.method === "POST") return;
  throw new Refusal(405, "MethodNotAllowed", `method: expected POST, got ${request.method}`, { headers: { Allow: "POST" } });
}

export function checkContentType(request) {
  const type = (request.headers.get("Content-Type") ?? "").split(";")[0].trim().toLowerCase();
  if (CONTENT_TYPES.has(type)) return;
  throw new Refusal(415, "UnsupportedMediaType", `content type: expected application/json or application/octet-stream, got ${type}`);
}

/** The declared length, refused by the number alone when it is too large; undefined for a chunked body. */
export function checkLength(request, settings) {
  const declared = request.headers.get("Content-Length");
  if (declared === null) return undefined;
  const length = Number(declared);
  if (length > settings.max_body_bytes) throw tooLarge(settings, length);
  return length;
}

/** Whether the body can be held in memory and has no coding that would have to be undone first. */
export function checkInspectable(request, settings, length) {
  if (request.headers.has("Content-Encoding")) throw new Undecided("content-encoding");
  if ((length ?? settings.max_body_bytes) > MAX_INSPECTED_BYTES) throw new Undecided("large-body");
}

/** The whole body; reading stops at the first byte over the contract's limit. */
export async function readBody(request, settings) {
  if (request.body === null) return new Uint8Array(0);
  const chunks = [];
  let total = 0;
  for await (const chunk of request.body) {
    total += chunk.length;
    if (total > settings.max_body_bytes) throw tooLarge(settings, `at least ${total}`);
    chunks.push(chunk);
  }
  const body = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

function tooLarge(settings, got) {
  return new Refusal(413, "LimitExceededError", `request body: expected at most ${settings.max_body_bytes} bytes, got ${got}`);
}

/** Bytes of JSON before the binary tensor data; undefined when the body is all JSON. */
export function headLength(request, body) {
  const text = request.headers.get("Inference-Header-Content-Length");
  if (text === null) return undefined;
  if (!/^[0-9]{1,10}$/.test(text) || Number(text) > body.length) {
    throw malformed(`Inference-Header-Content-Length: expected a number up to ${body.length}, got ${text}`);
  }
  return Number(text);
}
