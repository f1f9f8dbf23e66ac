// Runs rows of inputs through a module: the same code under Node and in a worker. Rows follow each other, in a row the
// inputs in the module's order; answers likewise.

import { load } from "./skerry_module.js";

const ARRAYS = {
  FP32: Float32Array,
  FP64: Float64Array,
  INT8: Int8Array,
  UINT8: Uint8Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  BOOL: Uint8Array,
};

export async function probe(source, bytes, rows) {
  const model = await load(source);
  const answers = [];
  for (let row = 0, at = 0; row < rows; row++) {
    const inputs = {};
    for (const { name, dtype, shape } of model.inputs) {
      const kind = ARRAYS[dtype];
      const end = at + shape.reduce((product, size) => product * size, kind.BYTES_PER_ELEMENT);
      inputs[name] = new kind(bytes.slice(at, end));
      at = end;
    }
    const outputs = model.run(inputs);
    answers.push(...model.outputs.map(({ name }) => new Uint8Array(outputs[name].buffer)));
  }
  return new Blob(answers).arrayBuffer();
}
