// The agent's own cache key (format `skerry-cache-1`): SHA-256 over length-prefixed fields, from the platform's digest.

const FORMAT = "skerry-cache-1";
const encoder = new TextEncoder();

function u32(value) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function u64(value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

function concat(parts) {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Lower-case hexadecimal SHA-256 of bytes. */
export async function sha256Hex(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * 64 hexadecimal digits. `inputs` are `{name, dtype, shape, data}` in contract order, `data` being the little-endian
 * bytes as received; a shape is written `1,1,8,8`.
 */
export async function cacheKey({ modelDigest, scope, contractDigest, hookDigest, inputs }) {
  const parts = [];
  const text = (value) => {
    const bytes = encoder.encode(value);
    parts.push(u32(bytes.length), bytes);
  };
  for (const field of [FORMAT, modelDigest, scope, contractDigest, hookDigest, String(inputs.length)]) text(field);
  for (const { name, dtype, shape, data } of inputs) {
    text(name);
    text(dtype);
    text(shape.join(","));
    parts.push(u64(data.length), data);
  }
  return sha256Hex(concat(parts));
}
