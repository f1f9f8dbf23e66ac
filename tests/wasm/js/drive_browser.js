// `node drive_browser.js CHROMIUM PROFILE`: reads `{ url, body, given }`, a line of JSON each, opens the page and answers
// with what the async function `body` returns of `(page, given)`, or with the error: `{ value }` or `{ error }`.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const [executablePath, profile] = process.argv.slice(2);
const AsyncFunction = (async () => {}).constructor;
const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS });

/** The answer, unless the page threw an error that nothing caught. */
async function answer({ url, body, given }) {
  const page = await context.newPage();
  const thrown = [];
  page.on("pageerror", (error) => thrown.push(error.stack));
  try {
    await page.goto(url);
    const value = await new AsyncFunction("page", "given", body)(page, given);
    return thrown.length === 0 ? { value } : { error: thrown.join("\n") };
  } catch (error) {
    return { error: [error.stack, ...thrown].join("\n") };
  } finally {
    await page.close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}
await context.close();
