// Finds members and elements of JSON as spans of its text, which must be known to parse. So one member can be cut out or put
// in without re-serialising the rest (`1.0` stays `1.0`), and a number's own spelling can be looked at.

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

/** The members of the object that `text` holds, in order: `{name, value, text}` with the text of value and whole member. */
export function members(text) {
  const found = [];
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (text[at] === '"') {
    const colon = endOfString(text, at);
    const value = skipSpace(text, skipSpace(text, colon) + 1);
    const end = endOfValue(text, value);
    found.push({ name: JSON.parse(text.slice(at, colon)), value: text.slice(value, end), text: text.slice(at, end) });
    at = skipSpace(text, end + 1);
  }
  return found;
}

/** The elements of the array that `text` holds, each as text. */
export function elements(text) {
  const found = [];
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (at < text.length && text[at] !== "]") {
    const end = endOfValue(text, at);
    found.push(text.slice(at, end));
    at = skipSpace(text, end + 1);
  }
  return found;
}
