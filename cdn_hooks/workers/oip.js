// Open Inference Protocol v2 inference requests: JSON, and the binary tensor data extension. Checks them against the
// contract and yields the tensors as bytes. What the agent would refuse is a Refusal; what only it can judge is Undecided.

import { DTYPES } from "./dtypes.js";
import { elements, members } from "./json_members.js";
import { malformed, Undecided, violation } from "./problem.js";

const REQUEST_MEMBERS = new Set(["id", "parameters", "inputs", "outputs"]);
const INPUT_MEMBERS = new Set(["name", "shape", "datatype", "parameters", "data"]);
const OUTPUT_MEMBERS = new Set(["name", "parameters"]);
const MAX_ID_LENGTH = 1024;

/** Whole numbers written with a point or an exponent: the agent refuses them where JSON.parse sees no difference. */
const LOOSE_SIZES = /"shape"\s*:\s*\[[^\]]*[.eE]|"binary_data_size"\s*:\s*-?[0-9]+[.eE]/;
const LOOSE_NUMBERS = /[0-9][.eE]/;

/** The agent reads a bare `-0` as the integer 0; JSON.parse keeps the sign. */
const MINUS_ZERO = /-0(?![.0-9eE])/;

/**
 * `body` is a Uint8Array, `headLength` the bytes of JSON at its start (all of it when undefined).
 * Returns `{id, inputs, form}`: `inputs` as the cache key takes them, `form` a text that names the outputs asked for and
 * how each is to be encoded.
 */
export function parseRequest(body, headLength, settings) {
  const text = decodeText(body.subarray(0, headLength ?? body.length));
  const head = parseHead(text);
  const tail = new BinaryTail(headLength === undefined ? undefined : body.subarray(headLength));
  knownMembers(head, REQUEST_MEMBERS);
  const id = requestId(head.id);
  const inputs = readInputs(head.inputs, tail, settings);
  const form = JSON.stringify(wantedOutputs(head, settings));
  checkNumberForms(text, head.inputs);
  return { id, inputs, form };
}

function decodeText(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed("infer request", "JSON in UTF-8", "other bytes");
  }
}

function parseHead(text) {
  let head;
  try {
    head = JSON.parse(text);
  } catch (error) {
    throw malformed("infer request", "an inference request object", error.message);
  }
  if (!isObject(head)) throw malformed("infer request", "an inference request object", "other JSON");
  return head;
}

/** The bytes after the JSON, handed out from front to back; all must be used up. */
class BinaryTail {
  constructor(bytes) {
    this.rest = bytes;
  }

  take(name, size) {
    const what = `input '${name}'`;
    if (this.rest === undefined) throw malformed(what, "the header Inference-Header-Content-Length", "none");
    if (size > this.rest.length) throw malformed(what, `${size} bytes of binary data`, `${this.rest.length} left in the body`);
    const taken = this.rest.subarray(0, size);
    this.rest = this.rest.subarray(size);
    return taken;
  }

  finish() {
    const left = this.rest?.length ?? 0;
    if (left > 0) throw malformed("infer request", "binary data for the inputs alone", `${left} bytes more`);
  }
}

function requestId(id) {
  if (id === undefined || id === null) return undefined;
  if (typeof id !== "string" || !id.isWellFormed() || id.length > MAX_ID_LENGTH) throw new Undecided("request-id");
  return id;
}

/** `[name, whether as binary data]` of each output of the answer, in its order. */
function wantedOutputs(head, settings) {
  const byDefault = flag(head.parameters, "binary_data_output", "infer request", false);
  const outputs = head.outputs === undefined ? [] : head.outputs;
  if (!Array.isArray(outputs)) throw malformed("infer request", "outputs as an array", "something else");
  const asked = new Map(outputs.map((output) => askedOutput(output, byDefault)));
  if (asked.size < outputs.length) throw malformed("infer request", "each output once", "one twice");
  const wanted = outputs.length > 0 ? [...asked] : settings.outputs.map(({ name }) => [name, byDefault]);
  for (const [name, binary] of wanted) checkOutput(name, binary, settings);
  return wanted;
}

function askedOutput(output, byDefault) {
  if (!isObject(output) || typeof output.name !== "string") throw malformed("infer request", "outputs with a name", "another");
  knownMembers(output, OUTPUT_MEMBERS);
  return [output.name, flag(output.parameters, "binary_data", `requested output '${output.name}'`, byDefault)];
}

function checkOutput(name, binary, settings) {
  const rule = settings.outputs.find((candidate) => candidate.name === name);
  if (rule === undefined) throw violation("requested output", name, "names", names(settings.outputs), name);
  if (rule.dtype === "FP16" && !binary) {
    throw violation("requested output", name, "representation", "binary_data true (FP16 has no JSON form)", "JSON asked for");
  }
}

/** The one boolean parameter that this hook understands at this place; any other is the agent's to judge. */
function flag(parameters, name, what, byDefault) {
  if (parameters === undefined) return byDefault;
  knownMembers(parameters, new Set([name]));
  const value = parameters[name] === undefined ? byDefault : parameters[name];
  if (typeof value !== "boolean") throw malformed(what, `parameter ${name} as true or false`, JSON.stringify(value));
  return value;
}

function readInputs(given, tail, settings) {
  if (!Array.isArray(given)) throw malformed("infer request", "inputs as an array", "something else");
  const found = new Map();
  for (const input of given) {
    const rule = inputRule(input, settings);
    if (found.has(rule.name)) throw malformed("infer request", "each input once", `'${rule.name}' twice`);
    found.set(rule.name, readInput(input, rule, tail, settings));
  }
  tail.finish();
  return inContractOrder(found, settings);
}

function inContractOrder(found, settings) {
  const tensors = settings.inputs.map((rule) => {
    const tensor = found.get(rule.name);
    if (tensor === undefined) {
      throw violation("input", rule.name, "names", names(settings.inputs), [...found.keys()].join(", ") || "none");
    }
    return tensor;
  });
  const batched = tensors.filter((_, at) => settings.inputs[at].shape[0] === -1);
  for (const { name, shape } of batched) {
    const rows = batched[0].shape[0];
    if (shape[0] !== rows) throw violation("input", name, "batch", `${rows} rows in every tensor`, shape[0]);
  }
  return tensors;
}

function inputRule(input, settings) {
  if (!isObject(input) || typeof input.name !== "string") throw malformed("infer request", "inputs with a name", "another");
  knownMembers(input, INPUT_MEMBERS);
  const rule = settings.inputs.find((candidate) => candidate.name === input.name);
  if (rule === undefined) throw violation("input", input.name, "names", names(settings.inputs), input.name);
  return rule;
}

function readInput(input, rule, tail, settings) {
  const { name, datatype, shape } = input;
  if (typeof datatype !== "string" || !isShape(shape)) {
    throw malformed(`input '${name}'`, "a datatype and a shape of whole numbers", "something else");
  }
  if (!DTYPES.has(datatype)) throw malformed(`input '${name}'`, `datatype ${[...DTYPES.keys()].join(", ")}`, `'${datatype}'`);
  if (datatype !== rule.dtype) throw violation("input", name, "dtype", rule.dtype, datatype);
  if (!accepts(rule.shape, shape, settings.max_batch)) {
    const batch = rule.shape[0] === -1 ? ` with 1 to ${settings.max_batch} rows` : "";
    throw violation("input", name, "shape", `[${rule.shape.join(", ")}]${batch}`, `[${shape.join(", ")}]`);
  }
  return { name, dtype: datatype, shape, data: tensorData(input, DTYPES.get(datatype), tail) };
}

function isShape(shape) {
  return Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Same rank, equal fixed dimensions, and a batch (-1 in the contract) between 1 and the limit. */
function accepts(want, got, maxBatch) {
  if (want.length !== got.length) return false;
  return want.every((size, at) => (size === -1 ? got[at] >= 1 && got[at] <= maxBatch : size === got[at]));
}

function tensorData(input, dtype, tail) {
  const count = input.shape.reduce((product, size) => product * size, 1);
  const size = binarySize(input);
  if (size === undefined) return jsonData(input, dtype, count);
  if (input.data !== undefined) throw malformed(`input '${input.name}'`, "either data or binary_data_size", "both");
  if (size !== count * dtype.size) {
    throw malformed(`input '${input.name}'`, `binary_data_size ${count * dtype.size}`, String(size));
  }
  const data = tail.take(input.name, size);
  if (input.datatype === "BOOL" && data.some((byte) => byte > 1)) {
    throw malformed(`input '${input.name}'`, "BOOL bytes 0 or 1", "others");
  }
  return data;
}

function binarySize({ name, parameters }) {
  if (parameters === undefined) return undefined;
  knownMembers(parameters, new Set(["binary_data_size"]));
  const size = parameters.binary_data_size ?? undefined;
  if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0)) {
    throw malformed(`input '${name}'`, "binary_data_size as a size in bytes", JSON.stringify(size));
  }
  return size;
}

function jsonData(input, dtype, count) {
  const what = `input '${input.name}'`;
  if (!Array.isArray(input.data)) throw malformed(what, "data as an array, or binary_data_size", "neither");
  const values = flatten(input.data, input.shape, what);
  if (values.length !== count) throw malformed(what, `${count} elements`, String(values.length));
  const data = new Uint8Array(count * dtype.size);
  const view = new DataView(data.buffer);
  values.forEach((value, at) => {
    if (!dtype.write(view, at * dtype.size, value)) {
      throw malformed(what, `a JSON array of ${input.datatype} elements`, `another at element ${at}`);
    }
  });
  return data;
}

/** Data comes flat, or nested exactly as the shape says; the first element tells which. */
function flatten(data, shape, what) {
  if (shape.length < 2 || !Array.isArray(data[0])) return data;
  let level = data;
  for (const size of shape.slice(1)) {
    if (!level.every((row) => Array.isArray(row) && row.length === size)) {
      throw malformed(what, `arrays nested as [${shape.join(", ")}]`, "others");
    }
    level = level.flat();
  }
  return level;
}

/** The last check, so that a request that is wrong anyway is refused here. */
function checkNumberForms(text, inputs) {
  const inJson = inputs.filter((input) => input.data !== undefined);
  const integers = inJson.some((input) => DTYPES.get(input.datatype).isInteger) ? integerData(text, inputs) : [];
  const loose = integers.some((data) => LOOSE_NUMBERS.test(data)) || (inJson.length > 0 && MINUS_ZERO.test(text));
  if (loose || LOOSE_SIZES.test(text)) throw new Undecided("number-form");
}

/** The text of the data of each integer input that comes as JSON. */
function integerData(text, inputs) {
  const last = (object, name) => members(object).findLast((member) => member.name === name)?.value;
  const texts = elements(last(text, "inputs"));
  return texts.filter((_, at) => DTYPES.get(inputs[at].datatype).isInteger).map((input) => last(input, "data") ?? "");
}

function names(rules) {
  return rules.map((rule) => rule.name).join(", ");
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function knownMembers(object, known) {
  if (!isObject(object) || !Object.keys(object).every((name) => known.has(name))) throw new Undecided("unknown-parameter");
}
