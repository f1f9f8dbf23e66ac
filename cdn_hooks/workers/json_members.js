// Finds the members of a JSON object as spans of its text, so that one member can be cut out or put in without
// re-serialising the rest: `1.0` stays `1.0`, and integers beyond 2^53 keep their digits. The text is already known to parse.

const SPACE = new Set([" ", "\t", "\n", "\r"]);

function skipSpace(text, at) {
  while (SPACE.has(text[at])) at += 1;
  return at;
}

function endOfString(text, at) {
  for (at += 1; text[at] !== '"'; at += 1) if (text[at] === "\\") at += 1;
  return at + 1;
}

function endOfValue(text, at) {
  let depth = 0;
  while (at < text.length) {
    const c = text[at];
    if (depth === 0 && (c === "," || c === "}" || c === "]")) return at;
    if (c === "{" || c === "[") depth += 1;
    if (c === "}" || c === "]") depth -= 1;
    at = c === '"' ? endOfString(text, at) : at + 1;
  }
  return at;
}

/** The members of the object that `text` holds, in order: `{name, text}`, where `text` spans the member's name and value. */
export function members(text) {
  const found = [];
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (text[at] === '"') {
    const colon = endOfString(text, at);
    const end = endOfValue(text, skipSpace(text, colon) + 1);
    found.push({ name: JSON.parse(text.slice(at, colon)), text: text.slice(at, end) });
    at = skipSpace(text, end + 1);
  }
  return found;
}
