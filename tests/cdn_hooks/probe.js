// Runs the hook's pure modules on cases given as JSON, under Node or in a worker: the tests compare the results with Python's.

import { cacheKey } from "./cache_key.js";
import { DTYPES } from "./dtypes.js";
import { withId } from "./answers.js";

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

export async function probe({ vectors = [], values = [], heads = [] }) {
  return {
    vectors: await Promise.all(vectors.map(key)),
    values: values.map(encode),
    heads: heads.map(([head, id]) => withId(head, id ?? undefined)),
  };
}
