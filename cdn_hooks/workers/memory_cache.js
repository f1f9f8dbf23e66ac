// The cache service for workerd, which has none of its own: GET, PUT and PURGE as workerd's Cache API sends them, in memory,
// bounded, oldest entry out first. On Cloudflare the platform's own cache takes this place.

const MAX_ENTRIES = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;
const HEAD_END = [13, 10, 13, 10];

const entries = new Map();
let heldBytes = 0;

function drop(url) {
  const entry = entries.get(url);
  if (entry === undefined) return false;
  entries.delete(url);
  heldBytes -= entry.body.length;
  return true;
}

function endOfHead(bytes) {
  for (let at = 0; at + 4 <= bytes.length; at += 1) {
    if (HEAD_END.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

/** A stored answer arrives as one HTTP/1.1 message: status line, header lines, empty line, body. */
function parseMessage(bytes) {
  const end = endOfHead(bytes);
  const lines = new TextDecoder().decode(bytes.subarray(0, end)).split("\r\n").slice(1);
  const headers = lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]);
  return { headers, body: bytes.slice(end + 4) };
}

function maxAgeMs(headers) {
  const control = headers.find(([name]) => name.toLowerCase() === "cache-control");
  const age = /max-age=([0-9]+)/.exec(control?.[1] ?? "");
  return age === null ? 0 : Number(age[1]) * 1000;
}

async function put(request) {
  const { headers, body } = parseMessage(new Uint8Array(await request.arrayBuffer()));
  if (body.length > MAX_BYTES) return new Response(null, { status: 413 });
  drop(request.url);
  entries.set(request.url, { headers, body, expires: Date.now() + maxAgeMs(headers) });
  heldBytes += body.length;
  while (entries.size > MAX_ENTRIES || heldBytes > MAX_BYTES) drop(entries.keys().next().value);
  return new Response(null, { status: 204 });
}

function match(request) {
  const entry = entries.get(request.url);
  if (entry !== undefined && entry.expires > Date.now()) {
    return new Response(entry.body, { headers: [...entry.headers, ["CF-Cache-Status", "HIT"]] });
  }
  drop(request.url);
  return new Response(null, { status: 504, headers: { "CF-Cache-Status": "MISS" } });
}

export default {
  async fetch(request) {
    if (request.method === "PUT") return put(request);
    if (request.method === "PURGE") return new Response(null, { status: drop(request.url) ? 200 : 404 });
    return match(request);
  },
};
