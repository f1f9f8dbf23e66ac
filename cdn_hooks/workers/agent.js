// The agent behind the hook: requests go to it as they came, and problem details come back when no answer does.

import { Refusal } from "./problem.js";

/**
 * Knows whether the agent was last seen serving another variant than the one this hook was built for (`changed`): then
 * another contract may hold, so the hook only forwards until the agent is back at its variant.
 */
export class Agent {
  constructor(settings, { fetch, now }) {
    this.settings = settings;
    this.fetch = fetch;
    this.now = now;
    this.changed = false;
    this.seenAt = undefined;
  }

  /** Whether the agent has not said for long which variant it serves. The first call starts the time. */
  isOutOfSight() {
    this.seenAt ??= this.now();
    return this.now() - this.seenAt > this.settings.recheck_ms;
  }

  /** Forwards a request unchanged but for its host. `body` replaces a body that was already read. */
  async forward(request, body = request.body) {
    const response = await this.send(atOrigin(request.url, this.settings.origin), request, body);
    this.note(response.headers);
    return response;
  }

  /** Answers that name no variant, such as a refusal of the server's own, say nothing. */
  note(headers) {
    const variant = headers.get("Skerry-Variant");
    if (variant === null) return;
    this.changed = variant !== this.settings.variant_digest;
    this.seenAt = this.now();
  }

  async send(target, request, body) {
    const bodiless = request.method === "GET" || request.method === "HEAD" || body === null;
    const init = {
      method: request.method,
      headers: request.headers,
      body: bodiless ? undefined : body,
      redirect: "manual",
      signal: AbortSignal.timeout(this.settings.origin_timeout_ms),
    };
    try {
      const response = await this.fetch(target.href, init);
      if (response.status < 200) throw new Error("the agent changed the protocol");
      return response;
    } catch (error) {
      throw unreachable(error, this.settings);
    }
  }

  /** The whole body of an answer. */
  async bytes(response) {
    try {
      return new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      throw unreachable(error, this.settings);
    }
  }
}

/** The same path and query at the agent. Never resolved as a reference: `//host/path` would lead to another host. */
function atOrigin(requested, origin) {
  const { pathname, search } = new URL(requested);
  const target = new URL(origin);
  target.pathname = pathname;
  target.search = search;
  return target;
}

function unreachable(error, settings) {
  const advice = "the same request may work later";
  if (error.name === "TimeoutError") {
    return new Refusal(504, "UnavailableError", `the agent is unavailable: no answer in ${settings.origin_timeout_ms} ms`, { advice });
  }
  return new Refusal(502, "UnavailableError", "the agent is unavailable: the connection failed", { advice });
}
