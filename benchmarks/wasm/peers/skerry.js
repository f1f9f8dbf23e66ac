// `node skerry.js FOLDER`: a stand-alone module, run by the JavaScript that is exported with it.

import { load } from "../../../skerry/js/skerry_module.js";
import { readCase, serve } from "./segment.js";

const { inputs, read } = readCase(process.argv[2]);
const model = await load(read("module.wasm"));
const given = inputs.map((row) => Object.fromEntries(Object.entries(row).map(([name, { data }]) => [name, data])));
await serve({ name: "skerry", run: (index) => model.run(given[index]) }, given.length);
