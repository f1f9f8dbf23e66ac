// `node tfjs.js FOLDER`: the plan that `tfjs_plan.py` made of a float model, in TensorFlow.js with its WebAssembly backend.
// Everything that the library can fuse is fused; layout is NHWC, and inputs arrive in it.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { readCase, serve } from "./segment.js";

const require = createRequire(import.meta.url);
const tf = require("@tensorflow/tfjs-core");
const wasm = require("@tensorflow/tfjs-backend-wasm");

const { inputs, read } = readCase(process.argv[2]);
tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
wasm.setWasmPaths(join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")), "/"));
await tf.setBackend("wasm");
await tf.ready();

const { steps, weights: places, input, output, shape } = JSON.parse(read("plan.json").toString());
const blob = read("weights.bin");
const weights = new Map(
  Object.entries(places).map(([name, place]) => {
    const copy = new Uint8Array(blob.subarray(place.offset, place.offset + place.bytes));
    return [name, tf.tensor(new Float32Array(copy.buffer), place.shape)];
  }),
);

const OPERATORS = {
  conv2d: (x, { filter, bias, strides, pad, activation }) =>
    tf.fused.conv2d({ x, filter: weights.get(filter), bias: weights.get(bias), strides, pad, activation }),
  depthwise: (x, { filter, bias, strides, pad, activation }) =>
    tf.fused.depthwiseConv2d({ x, filter: weights.get(filter), bias: weights.get(bias), strides, pad, activation }),
  matmul: (a, { filter, bias, activation }) =>
    tf.fused.matMul({ a, b: weights.get(filter), bias: weights.get(bias), activation }),
  average: (x) => tf.avgPool(x, [x.shape[1], x.shape[2]], 1, "valid"),
  reshape: (x, { shape }) => tf.reshape(x, shape),
  relu: (x) => tf.relu(x),
  relu6: (x) => tf.relu6(x),
  softmax: (x) => tf.softmax(x),
};

function infer(data) {
  const values = new Map([[input, tf.tensor(data, shape)]]);
  for (const step of steps) {
    const [x, y] = step.inputs.map((name) => values.get(name));
    values.set(step.output, step.op === "add" ? tf.add(x, y) : OPERATORS[step.op](x, step));
  }
  return values.get(output);
}

function run(index) {
  const found = tf.tidy(() => infer(inputs[index].nhwc.data));
  const data = found.dataSync();
  found.dispose();
  return { [output]: data };
}

await serve({ name: `tfjs-backend-wasm ${wasm.version_wasm}`, run }, inputs.length);
