// Runs the hook's pure modules on cases given as JSON, under Node or in a worker: the tests compare the results with Python's.

import { cacheKey } from "./cache_key.js";
import { DTYPES } from "./dtypes.js";
import { withId } from "./answers.js";
import settings from "./config.js";
import { createHook } from "./hook.js";
import { headLength } from "./guard.js";
import { parseRequest } from "./oip.js";
import { Refusal } from "./problem.js";

const fromBase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function encode([dtype, value]) {
  const { size, write } = DTYPES.get(dtype);
  const bytes = new Uint8Array(size);
  try {
    return write(new DataView(bytes.buffer), 0, value) ? toHex(bytes) : "refused";
  } catch (undecided) {
    return undecided.reason;
  }
}

const key = (vector) =>
  cacheKey({
    modelDigest: vector.model_digest,
    scope: vector.scope,
    contractDigest: vector.contract_digest,
    hookDigest: vector.hook_digest,
    inputs: vector.inputs.map((input) => ({ ...input, data: fromBase64(input.data_base64) })),
  });

/** What the hook makes of a request: its cache key and the outputs asked for, a refusal's status, or a reason to ask the agent. */
async function judge({ body_base64, head_length }) {
  const body = fromBase64(body_base64);
  const headers = new Headers(head_length === null ? {} : { "Inference-Header-Content-Length": head_length });
  try {
    const { id, inputs, form } = parseRequest(body, headLength({ headers }, body), settings);
    const { model_digest, contract_digest, cache } = settings;
    const digests = { modelDigest: model_digest, scope: cache.scope, contractDigest: contract_digest, hookDigest: "" };
    return { key: await cacheKey({ ...digests, inputs }), form: JSON.parse(form), id: id ?? null };
  } catch (error) {
    return error instanceof Refusal ? { refused: error.status } : { undecided: error.reason ?? `bug: ${error.stack}` };
  }
}

/** Where a GET of this URL is forwarded to. */
async function forwarded(url) {
  const targets = [];
  const fetch = async (target) => {
    targets.push(target);
    return new Response();
  };
  await createHook(settings, { fetch, now: () => 0 })(new Request(url));
  return targets;
}

export async function probe({ vectors = [], values = [], heads = [], requests = [], urls = [] }) {
  return {
    vectors: await Promise.all(vectors.map(key)),
    values: values.map(encode),
    requests: await Promise.all(requests.map(judge)),
    urls: await Promise.all(urls.map(forwarded)),
    heads: heads.map(([head, id]) => withId(head, id ?? undefined)),
  };
}
