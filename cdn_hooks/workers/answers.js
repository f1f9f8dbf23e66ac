// Answers in the cache: under which URL, what of an agent's answer is kept, and how a kept answer is given out again.

import { sha256Hex } from "./cache_key.js";
import { members } from "./json_members.js";

/** No such host exists (RFC 6761 section 6.4): entries can neither be reached from outside nor collide with fetched pages. */
const CACHE_ORIGIN = "https://cache.skerry.invalid";

const HEAD_LENGTH = "Inference-Header-Content-Length";
const EXPIRES = "Skerry-Expires-Ms";
const KEPT_HEADERS = ["Content-Type", "Skerry-Release", "Skerry-Variant", "Skerry-Cache-Key", "Skerry-Contract"];

/** Larger answers are forwarded, not kept. */
export const MAX_STORED_BYTES = 8 * 1024 * 1024;

/** One entry per variant, tensors (`key`) and form of the answer; the request's `id` is no part of it. */
export async function entryRequest(settings, key, form) {
  const formHash = await sha256Hex(new TextEncoder().encode(form));
  const variant = settings.variant_digest.replace("sha256:", "");
  return new Request(`${CACHE_ORIGIN}/${variant}/${key}/${formHash}`);
}

/** Why the agent's answer may not be kept (an RFC 8941 token), or undefined when it may. */
export function unfit(response, settings, key) {
  if (response.status !== 200) return "status";
  if (response.headers.get("Skerry-Variant") !== settings.variant_digest) return "other-variant";
  if (response.headers.get("Skerry-Cache-Key") !== key) return "other-key";
  if (response.headers.has("Content-Encoding") || response.headers.has("Vary")) return "negotiated";
  const length = Number(response.headers.get("Content-Length") ?? "NaN");
  return length <= MAX_STORED_BYTES ? undefined : "size";
}

/** Whether the JSON of an answer is an object, so that its members can be told apart; a proxy may have mangled it. */
export function isReadable(headers, body) {
  const length = headers.has(HEAD_LENGTH) ? Number(headers.get(HEAD_LENGTH)) : body.length;
  if (!(length <= body.length)) return false;
  try {
    const head = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body.subarray(0, length)));
    return typeof head === "object" && head !== null && !Array.isArray(head);
  } catch {
    return false;
  }
}

function split(headers, body) {
  const length = headers.has(HEAD_LENGTH) ? Number(headers.get(HEAD_LENGTH)) : body.length;
  return { head: new TextDecoder().decode(body.subarray(0, length)), tail: body.subarray(length) };
}

function join(head, tail) {
  const bytes = new TextEncoder().encode(head);
  const body = new Uint8Array(bytes.length + tail.length);
  body.set(bytes, 0);
  body.set(tail, bytes.length);
  return { body, headBytes: bytes.length };
}

/** The same JSON object with another `id`, or with none when it is undefined; every other member keeps its text. */
export function withId(head, id) {
  const kept = members(head).filter((member) => member.name !== "id").map((member) => member.text.trimEnd());
  const outputs = kept.findIndex((text) => text.startsWith('"outputs"'));
  if (id !== undefined) kept.splice(outputs < 0 ? kept.length : outputs, 0, `"id":${JSON.stringify(id)}`);
  return `{${kept.join(",")}}`;
}

/** The entry to keep: the agent's answer without its `id`, fresh for the contract's TTL. */
export function entryResponse(answer, bytes, settings, now) {
  const { head, tail } = split(answer.headers, bytes);
  const { body, headBytes } = join(withId(head, undefined), tail);
  const headers = pick(answer.headers);
  if (answer.headers.has(HEAD_LENGTH)) headers.set(HEAD_LENGTH, String(headBytes));
  headers.set("Cache-Control", `public, max-age=${Math.ceil(settings.cache.ttl_ms / 1000)}`);
  headers.set(EXPIRES, String(now + settings.cache.ttl_ms));
  return new Response(body, { headers });
}

/** Milliseconds that an entry may still be given out; not positive when it is over, NaN when it is not an entry. */
export function freshMs(entry, now) {
  return Number(entry.headers.get(EXPIRES) ?? "NaN") - now;
}

/** The answer to a repeat: the kept bytes with the `id` of this request. */
export async function repeatResponse(entry, id, freshForMs) {
  const { head, tail } = split(entry.headers, new Uint8Array(await entry.arrayBuffer()));
  const { body, headBytes } = id === undefined ? join(head, tail) : join(withId(head, id), tail);
  const headers = pick(entry.headers);
  if (entry.headers.has(HEAD_LENGTH)) headers.set(HEAD_LENGTH, String(headBytes));
  headers.set("Cache-Status", `skerry-cdn; hit; ttl=${Math.floor(freshForMs / 1000)}`);
  return new Response(body, { headers });
}

function pick(source) {
  const headers = new Headers();
  for (const name of KEPT_HEADERS) if (source.has(name)) headers.set(name, source.get(name));
  return headers;
}
