// `node probe_node.js ROWS`: inputs on standard input, answers on standard output.

import { readFileSync, writeSync } from "node:fs";
import { probe } from "./probe.js";

const bytes = Uint8Array.from(readFileSync(0)).buffer;
const answers = new Uint8Array(await probe(readFileSync("model.wasm"), bytes, Number(process.argv[2])));
for (let at = 0; at < answers.length;) at += writeSync(1, answers, at);
