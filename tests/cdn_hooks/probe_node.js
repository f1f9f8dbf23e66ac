// `node probe_node.js`: cases as JSON on standard input, results as JSON on standard output.

import { readFileSync } from "node:fs";
import { probe } from "./probe.js";

process.stdout.write(JSON.stringify(await probe(JSON.parse(readFileSync(0, "utf8")))));
