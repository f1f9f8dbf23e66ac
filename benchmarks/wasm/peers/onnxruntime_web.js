// `node onnxruntime_web.js FOLDER`: the ONNX file in onnxruntime-web, WebAssembly with SIMD on one thread.

import * as ort from "onnxruntime-web";
import { readCase, serve } from "./segment.js";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

const DTYPES = { FP32: "float32", INT64: "int64" };

const { inputs, read } = readCase(process.argv[2]);
const session = await ort.InferenceSession.create(new Uint8Array(read("model.onnx")), {
  executionProviders: ["wasm"],
  graphOptimizationLevel: "all",
  intraOpNumThreads: 1,
});
const given = inputs.map((row) =>
  Object.fromEntries(
    Object.entries(row).map(([name, { dtype, shape, data }]) => [name, new ort.Tensor(DTYPES[dtype], data, shape)]),
  ),
);

async function run(index) {
  const found = await session.run(given[index]);
  return Object.fromEntries(session.outputNames.map((name) => [name, found[name].data]));
}

await serve({ name: `onnxruntime-web ${ort.env.versions.web}`, run }, given.length);
