// Refusals as RFC 9457 problem details, in the agent's own form, and the one way of saying "ask the agent".

/** A request that the agent would turn away too: `status` and `name` are the agent's. */
export class Refusal extends Error {
  constructor(status, name, detail, { advice = "", headers = {} } = {}) {
    super(detail);
    this.status = status;
    this.name = name;
    this.advice = advice;
    this.headers = headers;
  }
}

/** A request that this hook cannot judge; it goes to the agent untouched. `reason` is an RFC 8941 token. */
export class Undecided extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** A request that breaks the request format: nothing in it can be trusted. */
export function malformed(what, expected, got) {
  return new Refusal(400, "FormatError", `${what}: expected ${expected}, got ${got}`);
}

/** A well-formed request that breaks the contract's tensor rules. `where` is `input` or `requested output`. */
export function violation(where, tensor, rule, expected, got) {
  const detail = `${where} '${tensor}' breaks ${rule}: expected ${expected}, got ${got}`;
  return new Refusal(400, "ContractViolationError", detail);
}

/** RFC 9457 section 3, plus the `error` member that Open Inference Protocol clients read. */
export function problemResponse(refusal) {
  const detail = refusal.message;
  const body = { type: "about:blank", title: refusal.name, status: refusal.status, detail, error: detail };
  if (refusal.advice) body.advice = refusal.advice;
  const headers = { "Content-Type": "application/problem+json", ...refusal.headers };
  return new Response(JSON.stringify(body), { status: refusal.status, headers });
}
