// The way to the agent: the request as it came, and problem details when no answer comes back.

import { Refusal } from "./problem.js";

/** Forwards a request unchanged but for its host. `body` replaces a body that was already read. */
export async function forward(request, settings, fetch, body = request.body) {
  const url = new URL(request.url);
  const target = new URL(url.pathname + url.search, settings.origin);
  const bodiless = request.method === "GET" || request.method === "HEAD" || body === null;
  const init = {
    method: request.method,
    headers: request.headers,
    body: bodiless ? undefined : body,
    redirect: "manual",
    signal: AbortSignal.timeout(settings.origin_timeout_ms),
  };
  try {
    return await fetch(target.href, init);
  } catch (error) {
    throw unreachable(error, settings);
  }
}

function unreachable(error, settings) {
  const advice = "the same request may work later";
  if (error.name === "TimeoutError") {
    return new Refusal(504, "UnavailableError", `the agent is unavailable: no answer in ${settings.origin_timeout_ms} ms`, { advice });
  }
  return new Refusal(502, "UnavailableError", "the agent is unavailable: the connection failed", { advice });
}
