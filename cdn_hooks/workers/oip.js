// Open Inference Protocol v2 inference requests: JSON, and the binary tensor data extension. Checks them against the
// contract and yields the tensors as bytes. What the agent would refuse is a Refusal; what only it can judge is Undecided.

import { DTYPES } from "./dtypes.js";
import { malformed, Undecided, violation } from "./problem.js";

const REQUEST_MEMBERS = new Set(["id", "parameters", "inputs", "outputs"]);
const INPUT_MEMBERS = new Set(["name", "shape", "datatype", "parameters", "data"]);
const OUTPUT_MEMBERS = new Set(["name", "parameters"]);

/**
 * `body` is a Uint8Array, `headLength` the bytes of JSON at its start (all of it when undefined).
 * Returns `{id, inputs, form}`: `inputs` as the cache key takes them, `form` what shapes the answer besides them.
 */
export function parseRequest(body, headLength, settings) {
  const head = parseHead(body.subarray(0, headLength ?? body.length));
  const tail = new TensorData(body.subarray(headLength ?? body.length));
  knownMembers(head, REQUEST_MEMBERS);
  const id = requestId(head.id);
  const form = answerForm(head, headLength !== undefined, settings);
  const inputs = readInputs(head.inputs, tail, settings);
  return { id, inputs, form };
}

function parseHead(bytes) {
  let head;
  try {
    head = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw malformed(`request head: expected JSON in UTF-8, got ${error.message}`);
  }
  if (!isObject(head)) throw malformed("request head: expected a JSON object, got something else");
  return head;
}

/** The raw bytes behind the JSON head, handed out in the order of the inputs. */
class TensorData {
  constructor(bytes) {
    this.rest = bytes;
  }

  take(name, size) {
    if (size > this.rest.length) {
      throw malformed(`binary data of input '${name}': expected ${size} bytes, got ${this.rest.length}`);
    }
    const taken = this.rest.subarray(0, size);
    this.rest = this.rest.subarray(size);
    return taken;
  }

  finish() {
    if (this.rest.length > 0) throw malformed(`binary data: expected no bytes after the last input, got ${this.rest.length}`);
  }
}

function requestId(id) {
  if (id === undefined) return undefined;
  if (typeof id !== "string" || !id.isWellFormed()) throw new Undecided("request-id");
  return id;
}

/** A text that is equal for two requests only if they ask for the same outputs in the same form. */
function answerForm(head, binaryRequest, settings) {
  const byDefault = onlyFlag(head.parameters, "binary_data_output");
  const outputs = head.outputs === undefined ? null : requestedOutputs(head.outputs, settings);
  return JSON.stringify([binaryRequest, byDefault, outputs]);
}

function requestedOutputs(outputs, settings) {
  if (!Array.isArray(outputs)) throw malformed("request outputs: expected an array, got something else");
  return outputs.map((output) => {
    if (!isObject(output) || typeof output.name !== "string") throw malformed("request output: expected an object with a name");
    knownMembers(output, OUTPUT_MEMBERS);
    if (!settings.outputs.includes(output.name)) throw new Undecided("unknown-output");
    return [output.name, onlyFlag(output.parameters, "binary_data")];
  });
}

/** The one boolean parameter that this hook understands at this place, or null; any other is the agent's to judge. */
function onlyFlag(parameters, name) {
  if (parameters === undefined) return null;
  knownMembers(parameters, new Set([name]));
  const value = parameters[name];
  if (value !== undefined && typeof value !== "boolean") throw new Undecided("parameter-value");
  return value ?? null;
}

function readInputs(given, tail, settings) {
  if (!Array.isArray(given)) throw malformed("request inputs: expected an array, got something else");
  const found = new Map();
  for (const input of given) {
    const rule = inputRule(input, settings);
    if (found.has(rule.name)) throw malformed(`input '${rule.name}': expected once, got it twice`);
    found.set(rule.name, readInput(input, rule, tail, settings));
  }
  tail.finish();
  return inContractOrder(found, settings);
}

function inContractOrder(found, settings) {
  const tensors = settings.inputs.map((rule) => {
    const tensor = found.get(rule.name);
    if (tensor === undefined) throw violation(rule.name, "names", rule.name, [...found.keys()].join(", ") || "none");
    return tensor;
  });
  const batched = tensors.filter((_, at) => settings.inputs[at].shape[0] === -1);
  for (const { name, shape } of batched) {
    const rows = batched[0].shape[0];
    if (shape[0] !== rows) throw violation(name, "batch", `${rows} rows in every tensor`, shape[0]);
  }
  return tensors;
}

function inputRule(input, settings) {
  if (!isObject(input) || typeof input.name !== "string") throw malformed("request input: expected an object with a name");
  knownMembers(input, INPUT_MEMBERS);
  const rule = settings.inputs.find((candidate) => candidate.name === input.name);
  if (rule === undefined) {
    throw violation(input.name, "names", settings.inputs.map((known) => known.name).join(", "), input.name);
  }
  return rule;
}

function readInput(input, rule, tail, settings) {
  const { name, datatype, shape } = input;
  if (typeof datatype !== "string") throw malformed(`input '${name}': expected a datatype, got none`);
  if (!isShape(shape)) throw malformed(`input '${name}': expected a shape of whole numbers, got something else`);
  if (datatype !== rule.dtype) throw violation(name, "dtype", rule.dtype, datatype);
  if (!accepts(rule.shape, shape, settings.max_batch)) {
    const expected = `[${rule.shape}] with a batch of 1 to ${settings.max_batch}`;
    throw violation(name, "shape", expected, `[${shape}]`);
  }
  return { name, dtype: datatype, shape, data: tensorData(input, rule, tail) };
}

function isShape(shape) {
  return Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Same rank, equal fixed dimensions, and a batch (-1 in the contract) between 1 and the limit. */
function accepts(want, got, maxBatch) {
  if (want.length !== got.length) return false;
  return want.every((size, at) => (size === -1 ? got[at] >= 1 && got[at] <= maxBatch : size === got[at]));
}

function tensorData(input, rule, tail) {
  const count = input.shape.reduce((product, size) => product * size, 1);
  const size = binarySize(input.parameters);
  if (size === undefined) return jsonData(input, rule, count);
  if (input.data !== undefined) throw new Undecided("data-twice");
  const expected = count * DTYPES.get(rule.dtype)[0];
  if (size !== expected) throw malformed(`input '${input.name}': expected ${expected} bytes of binary data, got ${size}`);
  return tail.take(input.name, size);
}

function binarySize(parameters) {
  if (parameters === undefined) return undefined;
  knownMembers(parameters, new Set(["binary_data_size"]));
  const size = parameters.binary_data_size;
  if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0)) throw new Undecided("parameter-value");
  return size;
}

function jsonData(input, rule, count) {
  if (!Array.isArray(input.data)) throw malformed(`input '${input.name}': expected data, got none`);
  const values = input.data.some(Array.isArray) ? input.data.flat(Infinity) : input.data;
  if (values.length !== count) {
    throw malformed(`input '${input.name}': expected ${count} values for its shape, got ${values.length}`);
  }
  const [itemSize, write] = DTYPES.get(rule.dtype);
  const data = new Uint8Array(count * itemSize);
  const view = new DataView(data.buffer);
  values.forEach((value, at) => {
    if (!write(view, at * itemSize, value)) throw malformed(`input '${input.name}': expected ${rule.dtype} values, got another at ${at}`);
  });
  return data;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function knownMembers(object, known) {
  if (!isObject(object) || !Object.keys(object).every((name) => known.has(name))) throw new Undecided("unknown-parameter");
}
