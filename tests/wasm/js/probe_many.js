// `node probe_many.js`: names of modules as JSON on standard input, their answers in hexadecimal on standard output.

import { readFileSync } from "node:fs";
import { probe } from "./probe.js";

const answers = {};
for (const name of JSON.parse(readFileSync(0, "utf8"))) {
  const bytes = Uint8Array.from(readFileSync(`${name}.in`)).buffer;
  const answer = await probe(readFileSync(`${name}.wasm`), bytes, 1);
  answers[name] = Buffer.from(answer).toString("hex");
}
process.stdout.write(JSON.stringify(answers));
