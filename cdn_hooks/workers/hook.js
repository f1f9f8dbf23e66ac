// The hook: check, look up, forward, keep. All I/O comes in through ports, so the same code runs under any host.

import { Agent } from "./agent.js";
import { entryRequest, entryResponse, freshMs, isReadable, repeatResponse, unfit } from "./answers.js";
import { cacheKey } from "./cache_key.js";
import { checkLength, checkMediaType, checkTarget, headLength, isInference, isInspectable, readBody } from "./guard.js";
import { parseRequest } from "./oip.js";
import { problemResponse, Refusal, Undecided } from "./problem.js";

/** `ports` are `{fetch, cache, now}`: the way out, a `Cache`, and Unix milliseconds. Returns `request -> Promise<Response>`. */
export function createHook(settings, ports) {
  const agent = new Agent(settings, ports);
  return async (request) => {
    try {
      const { pathname } = new URL(request.url);
      checkTarget(request, pathname, settings);
      if (!isInference(pathname, settings)) return await agent.forward(request);
      if (agent.changed) return bypass(await agent.forward(request), "other-variant");
      return await infer(request, settings, ports, agent);
    } catch (error) {
      if (error instanceof Refusal) return problemResponse(error);
      throw error;
    }
  };
}

async function infer(request, settings, ports, agent) {
  checkMediaType(request);
  const length = checkLength(request, settings);
  if (!isInspectable(length, settings)) return bypass(await agent.forward(request), "large-body");
  const body = await readBody(request, settings);
  const { parsed, reason } = judge(request, body, settings, agent);
  if (reason !== undefined) return bypass(await agent.forward(request, body), reason);
  return answer(request, body, parsed, settings, ports, agent);
}

/** The parsed request, or the reason (an RFC 8941 token) why it goes to the agent as it is; throws the Refusal of a wrong one. */
function judge(request, body, settings, agent) {
  try {
    const parsed = parseRequest(body, headLength(request, body), settings);
    return { parsed, reason: uncacheable(request, settings) };
  } catch (error) {
    if (error instanceof Undecided) return { reason: error.reason };
    if (error instanceof Refusal && agent.isOutOfSight()) return { reason: "recheck" };
    throw error;
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
  return keep(response, entry, key, settings, ports, agent);
}

async function keep(response, entry, key, settings, ports, agent) {
  const reason = unfit(response, settings, key);
  if (reason !== undefined) return withStatus(response, response.body, `skerry-cdn; fwd=miss; detail=${reason}`);
  const bytes = await agent.bytes(response);
  if (!isReadable(response.headers, bytes)) return withStatus(response, bytes, "skerry-cdn; fwd=miss; detail=malformed");
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
