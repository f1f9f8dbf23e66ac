// What every engine measured in Node shares: the case on disk, the timing loop, and one line of JSON for each order.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Shortest time between two looks at the clock: what a look costs, below 0.1 us, then does not count. */
const BATCH_NS = 100_000n;

/** Batches in a segment at least, however long one run takes. */
const MIN_BATCHES = 3;

const ARRAYS = { FP32: Float32Array, INT64: BigInt64Array };

/** A folder that `case.py` wrote: `inputs` is a list of {name: {dtype, shape, data}}. */
export function readCase(folder) {
  const described = JSON.parse(readFileSync(join(folder, "case.json"), "utf8"));
  const blob = readFileSync(join(folder, "inputs.bin"));
  const tensor = ({ dtype, shape, offset, bytes }) => {
    const copy = new Uint8Array(blob.subarray(offset, offset + bytes));
    return { dtype, shape, data: new ARRAYS[dtype](copy.buffer) };
  };
  const inputs = described.inputs.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, place]) => [name, tensor(place)])),
  );
  return { folder, inputs, read: (file) => readFileSync(join(folder, file)) };
}

/**
 * Answers orders until standard input ends. `engine.run(index)` gives the outputs of one input as typed arrays by name,
 * or a promise of them; `engine.name` says what it is.
 */
export async function serve(engine, count) {
  write({ engine: engine.name, node: process.version });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    write(
      order.outputs === undefined ? await segment(engine, count, order.seconds) : await outputs(engine, order.outputs),
    );
  }
}

async function outputs(engine, index) {
  const found = Object.entries(await engine.run(index));
  const base64 = ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength).toString("base64");
  return Object.fromEntries(found.map(([name, data]) => [name, base64(data)]));
}

async function segment(engine, count, seconds) {
  const cpu = process.cpuUsage();
  const started = process.hrtime.bigint();
  const end = started + BigInt(Math.round(seconds * 1e9));
  let [runs, size, batches, best, now] = [0, 1, 0, Infinity, started];
  while (now < end || batches < MIN_BATCHES) {
    const before = process.hrtime.bigint();
    for (let i = 0; i < size; i++) {
      const made = engine.run(runs++ % count);
      if (made instanceof Promise) await made;
    }
    now = process.hrtime.bigint();
    best = Math.min(best, Number(now - before) / 1000 / size);
    batches++;
    if (now - before < BATCH_NS) size *= 2;
  }
  const used = process.cpuUsage(cpu);
  return { best_us: best, mean_us: Number(now - started) / 1000 / runs, cpu_us: (used.user + used.system) / runs };
}

function write(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}
