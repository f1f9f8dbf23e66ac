// The hook: check, look up, forward, keep. All I/O comes in through ports, so the same code runs under any host.

import { entryRequest, entryResponse, freshMs, repeatResponse, unfit } from "./answers.js";
import { cacheKey } from "./cache_key.js";
import { checkMediaType, checkInspectable, checkLength, checkMethod, headLength, isInference, readBody } from "./guard.js";
import { parseRequest } from "./oip.js";
import { forward } from "./origin.js";
import { problemResponse, Refusal, Undecided } from "./problem.js";

/** `ports` are `{fetch, cache, now}`: the way out, a `Cache`, and Unix milliseconds. Returns `request -> Promise<Response>`. */
export function createHook(settings, ports) {
  const agent = new Agent(settings, ports.fetch);
  return async (request) => {
    try {
      if (!isInference(new URL(request.url).pathname, settings)) return await agent.forward(request);
      if (agent.changed) return bypass(await agent.forward(request), "other-variant");
      return await infer(request, settings, ports, agent);
    } catch (error) {
      if (error instanceof Refusal) return problemResponse(error);
      throw error;
    }
  };
}

/**
 * The agent behind the hook, and whether it was last seen serving another variant than the one this hook was built for:
 * then another contract may hold, so the hook only forwards until the agent is back at its variant.
 */
class Agent {
  constructor(settings, fetch) {
    this.settings = settings;
    this.fetch = fetch;
    this.changed = false;
  }

  async forward(request, body = request.body) {
    const response = await forward(request, this.settings, this.fetch, body);
    const variant = response.headers.get("Skerry-Variant");
    if (variant !== null) this.changed = variant !== this.settings.variant_digest;
    return response;
  }
}

async function infer(request, settings, ports, agent) {
  checkMethod(request);
  checkMediaType(request);
  const length = checkLength(request, settings);
  let body = request.body;
  try {
    checkInspectable(settings, length);
    body = await readBody(request, settings);
    const parsed = parseRequest(body, headLength(request, body), settings);
    const reason = uncacheable(request, settings);
    if (reason === undefined) return await answer(request, body, parsed, settings, ports, agent);
    return bypass(await agent.forward(request, body), reason);
  } catch (error) {
    if (!(error instanceof Undecided)) throw error;
    return bypass(await agent.forward(request, body), error.reason);
  }
}

/** Why this request may neither be answered from the cache nor fill it, or undefined. */
function uncacheable(request, settings) {
  if (!settings.cache.enabled) return "not-cacheable";
  // RFC 9111 section 3.5: an answer to an authorised request is not for others.
  if (request.headers.has("Authorization")) return "authorization";
  // RFC 9111 section 5.2.1: the client asks not to be answered from a cache.
  if (/\bno-(cache|store)\b/i.test(request.headers.get("Cache-Control") ?? "")) return "request-directive";
  return undefined;
}

async function answer(request, body, { id, inputs, form }, settings, ports, agent) {
  const key = await cacheKey({
    modelDigest: settings.model_digest,
    scope: settings.cache.scope,
    contractDigest: settings.contract_digest,
    hookDigest: "",
    inputs,
  });
  const entry = await entryRequest(settings, key, form);
  const kept = await attempt(ports.cache.match(entry));
  const freshForMs = kept ? freshMs(kept, ports.now()) : 0;
  if (freshForMs > 0) return repeatResponse(kept, id, freshForMs);
  const response = await agent.forward(request, body);
  return keep(response, entry, key, settings, ports);
}

async function keep(response, entry, key, settings, ports) {
  const reason = unfit(response, settings, key);
  if (reason !== undefined) return withStatus(response, response.body, `skerry-cdn; fwd=miss; detail=${reason}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const stored = await attempt(ports.cache.put(entry, entryResponse(response, bytes, settings, ports.now())).then(() => true));
  return withStatus(response, bytes, `skerry-cdn; fwd=miss; ${stored ? "stored" : "detail=cache-failed"}`);
}

/** A broken cache costs time, never an answer: it counts as empty, and the log says why. */
async function attempt(access) {
  try {
    return await access;
  } catch (error) {
    console.warn(`cache: ${error.message}`);
    return undefined;
  }
}

function bypass(response, reason) {
  return withStatus(response, response.body, `skerry-cdn; fwd=bypass; detail=${reason}`);
}

/** RFC 9211 section 2: each cache on the way appends itself, the one nearest to the client last. */
function withStatus(response, body, member) {
  const headers = new Headers(response.headers);
  headers.append("Cache-Status", member);
  return new Response(body, { status: response.status, statusText: response.statusText, headers });
}
