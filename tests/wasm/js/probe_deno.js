// `deno run probe_deno.js ROWS`: inputs on standard input, answers on standard output.

import { probe } from "./probe.js";

const bytes = await new Response(Deno.stdin.readable).arrayBuffer();
const module = await fetch(new URL("model.wasm", import.meta.url));
const answers = await probe(module, bytes, Number(Deno.args[0]));
await new Blob([answers]).stream().pipeTo(Deno.stdout.writable);
