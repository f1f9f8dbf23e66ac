// The checks that need no parsing: path, method, content type, size. Nothing is read before they pass, and never more
// bytes than the contract allows.

import { malformed, Refusal } from "./problem.js";

const LENGTH_HEADER = "Inference-Header-Content-Length";
const CONTENT_TYPES = new Set(["application/json", "application/octet-stream"]);

const READING = ["GET", "HEAD"];
const SERVER_PATHS = new Set(["/v2", "/v2/health/live", "/v2/health/ready"]);
const MODEL_PATH = /^\/v2\/models\/(?<model>[\w.-]+)(?:\/versions\/[\w.+-]+)?(?<verb>\/ready|\/infer)?$/;

/** Bodies above this are forwarded unread, whatever the contract allows: a Workers isolate has 128 MB of memory. */
export const MAX_INSPECTED_BYTES = 32 * 1024 * 1024;

/** Whether a path is this model's inference endpoint (Open Inference Protocol v2, "Inference"). */
export function isInference(path, settings) {
  const model = `/v2/models/${settings.model}`;
  return path === `${model}/infer` || path === `${model}/versions/${settings.version}/infer`;
}

/**
 * The methods of a path that the public may ask for: health and metadata of the protocol, and inference, of this model
 * alone. Undefined for everything else: the agent's metrics, statistics and other models are its owner's.
 */
function publicMethods(path, settings) {
  if (SERVER_PATHS.has(path)) return READING;
  const { model, verb } = MODEL_PATH.exec(path)?.groups ?? {};
  if (model !== settings.model) return undefined;
  return verb === "/infer" ? ["POST"] : READING;
}

/** Refuses a path that is not public, and a method that its path does not take, as the agent words it. */
export function checkTarget({ method }, path, settings) {
  const methods = publicMethods(path, settings);
  if (methods === undefined) throw new Refusal(404, "HTTPNotFound", `${method} ${path}: Not Found`);
  if (methods.includes(method)) return;
  const headers = { Allow: methods.join(",") };
  throw new Refusal(405, "HTTPMethodNotAllowed", `${method} ${path}: Method Not Allowed`, { headers });
}

/** The two media types of the protocol, or none said (Triton's client says none); no content coding. */
export function checkMediaType(request) {
  const coding = request.headers.get("Content-Encoding") ?? "identity";
  if (coding.toLowerCase() !== "identity") throw unsupported("Content-Encoding", "an uncompressed body", coding, "send the body as it is, without Content-Encoding");
  const type = request.headers.get("Content-Type");
  if (type === null || CONTENT_TYPES.has(type.split(";")[0].trim().toLowerCase())) return;
  throw unsupported("Content-Type", [...CONTENT_TYPES].join(" or "), type, "send the header `Content-Type: application/json`");
}

function unsupported(what, expected, got, advice) {
  return new Refusal(415, "MediaTypeError", `${what}: expected ${expected}, got '${got}'`, { advice });
}

/** The declared length, refused by the number alone when it is too large; undefined for a chunked body. */
export function checkLength(request, settings) {
  const declared = request.headers.get("Content-Length");
  if (declared === null) return undefined;
  const length = Number(declared);
  if (length > settings.max_body_bytes) throw tooLarge(settings, length);
  return length;
}

/** Whether a body of this length (undefined: as long as the contract allows) can be held in memory. */
export function isInspectable(length, settings) {
  return (length ?? settings.max_body_bytes) <= MAX_INSPECTED_BYTES;
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
  const detail = `request body: expected at most ${settings.max_body_bytes} bytes, got ${got}`;
  return new Refusal(413, "LimitExceededError", detail, { advice: "the contract's limits.max_body_bytes; send fewer rows" });
}

/** Bytes of JSON before the binary tensor data; undefined when the body is all JSON. */
export function headLength(request, body) {
  const text = request.headers.get(LENGTH_HEADER);
  if (text === null) return undefined;
  if (!/^[0-9]{1,12}$/.test(text) || Number(text) < 1 || Number(text) > body.length) {
    throw malformed(LENGTH_HEADER, `1 to ${body.length}, the length of the body`, `'${text}'`);
  }
  return Number(text);
}
