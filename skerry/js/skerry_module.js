// @ts-check
/**
 * Runs a stand-alone WebAssembly module written by `skerry wasm export`, in Node, Deno, workerd and browsers.
 *
 *     import { load } from "./skerry_module.js";
 *     const model = await load(await readFile("model.wasm")); // bytes, a Response, or a compiled module
 *     const { output } = model.run({ input: new Float32Array(490) });
 *
 * Tensors are flat typed arrays in C order; `model.inputs` and `model.outputs` give names, dtypes and shapes. The same
 * inputs give the same bytes in every engine.
 *
 * @typedef {Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array
 *   | BigInt64Array | BigUint64Array} TensorData
 * @typedef {{ name: string, dtype: string, shape: number[], offset: number }} Place
 * @typedef {{ offset: number, bytes: number, digest: string }} Weights
 * @typedef {{ abi: number, source: string, batch: number, inputs: Place[], outputs: Place[], weights: Weights }} Info
 * @typedef {{ place: Place, view: TensorData }} Bound
 * @typedef {BufferSource | Response | WebAssembly.Module} Source
 */

/** Version of the module ABI that this file speaks. */
export const ABI = 1;

/** Name of the custom section that describes the module. */
const SECTION = "skerry";

/** Datatype (Open Inference Protocol) to the array that holds it; BOOL is one byte, 0 or 1. */
const ARRAYS = new Map(
  Object.entries({
    FP32: Float32Array, FP64: Float64Array, BOOL: Uint8Array,
    INT8: Int8Array, INT16: Int16Array, INT32: Int32Array, INT64: BigInt64Array,
    UINT8: Uint8Array, UINT16: Uint16Array, UINT32: Uint32Array, UINT64: BigUint64Array,
  }),
);

/**
 * Compiles (where it gets bytes), checks and initialises a module.
 *
 * @param {Source | Promise<Source>} source workerd compiles at deploy time: import the `.wasm` file there and pass the
 *   `WebAssembly.Module` that the import gives
 * @returns {Promise<Model>}
 * @throws {Error} if it is not a stand-alone module of this ABI
 */
export async function load(source) {
  const module = await compiled(await source);
  const info = describe(module);
  const instance = await WebAssembly.instantiate(module);
  await checkWeights(info.weights, /** @type {WebAssembly.Memory} */ (instance.exports.memory));
  return new Model(info, instance);
}

/** A module with its memory, ready to run. One run at a time: `run` is synchronous. */
export class Model {
  /**
   * @param {Info} info
   * @param {WebAssembly.Instance} instance
   */
  constructor(info, { exports }) {
    const version = /** @type {WebAssembly.Global} */ (exports.abi_version)?.value;
    if (version !== ABI) throw wrong("export abi_version", ABI, version);
    const { buffer } = /** @type {WebAssembly.Memory} */ (exports.memory);
    /** @type {() => number} */
    this._run = /** @type {any} */ (exports.run);
    this._bound = info.inputs.map((place) => bind(place, buffer));
    this._made = info.outputs.map((place) => bind(place, buffer));
    /** What the module says of itself, and name, dtype and shape of each input and output. */
    this.info = info;
    this.inputs = info.inputs;
    this.outputs = info.outputs;
    /** @type {any} */ (exports.init)();
  }

  /**
   * One inference.
   *
   * @param {Record<string, TensorData>} inputs every input of the model, and no other
   * @returns {Record<string, TensorData>} copies, which later runs leave alone
   * @throws {Error} if a name, dtype or length is wrong, or the module reports a status
   */
  run(inputs) {
    const given = ArrayBuffer.isView(inputs) ? [typeName(inputs)] : Object.keys(inputs ?? {});
    if (given.length !== this.inputs.length || !this.inputs.every(({ name }) => Object.hasOwn(inputs, name))) {
      throw wrong("inputs", this.inputs.map(({ name }) => name).join(", "), given.join(", ") || "none");
    }
    for (const { place, view } of this._bound) {
      const data = inputs[place.name];
      const kind = view[Symbol.toStringTag];
      if (data?.[Symbol.toStringTag] !== kind) throw wrong(`input '${place.name}'`, kind, typeName(data));
      if (data.length !== view.length) throw wrong(`input '${place.name}'`, `${view.length} elements`, data.length);
      view.set(/** @type {any} */ (data));
    }
    const status = this._run();
    if (status !== 0) throw wrong("status of the run", 0, status);
    return Object.fromEntries(this._made.map(({ place, view }) => [place.name, view.slice()]));
  }
}

/** @type {(source: Source) => Promise<WebAssembly.Module>} */
async function compiled(source) {
  if (source instanceof WebAssembly.Module) return source;
  if (typeof Response === "function" && source instanceof Response) {
    if (!source.ok) throw wrong(`response of ${source.url}`, "status 200", source.status);
    return WebAssembly.compile(await source.arrayBuffer());
  }
  const isBytes = ArrayBuffer.isView(source) || typeName(source) === "ArrayBuffer";
  if (!isBytes) throw wrong("source", "bytes, a Response or a WebAssembly.Module", typeName(source));
  return WebAssembly.compile(/** @type {BufferSource} */ (source));
}

/** @type {(module: WebAssembly.Module) => Info} */
function describe(module) {
  const imports = WebAssembly.Module.imports(module);
  if (imports.length !== 0) throw wrong("imports", "none", imports.map(({ name }) => name).join(", "));
  const sections = WebAssembly.Module.customSections(module, SECTION);
  if (sections.length !== 1) throw wrong(`custom sections '${SECTION}'`, 1, sections.length);
  const info = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(sections[0]));
  if (info.abi !== ABI) throw wrong("ABI version", ABI, info.abi);
  return info;
}

// Modules inside a bundle share their weights, which lie beside them: alone they would compute with zeros.
/** @type {(weights: Weights, memory: WebAssembly.Memory) => Promise<void>} */
async function checkWeights({ offset, bytes, digest }, { buffer }) {
  const view = new Uint8Array(buffer, offset, bytes);
  if (bytes === 0 || view.some((byte) => byte !== 0) || !globalThis.crypto?.subtle) return;
  const made = new Uint8Array(await crypto.subtle.digest("SHA-256", view));
  const hex = Array.from(made, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (digest !== `sha256:${hex}`) throw wrong("weights in the file", `${bytes} bytes`, "none");
}

// Memory never grows, so that views stay valid.
/** @type {(place: Place, buffer: ArrayBuffer) => Bound} */
function bind(place, buffer) {
  const kind = ARRAYS.get(place.dtype);
  if (kind === undefined) throw wrong(`dtype of '${place.name}'`, [...ARRAYS.keys()].join(", "), place.dtype);
  const length = place.shape.reduce((product, size) => product * size, 1);
  return { place, view: new kind(buffer, place.offset, length) };
}

/** @type {(data: any) => string} */
function typeName(data) {
  return data?.[Symbol.toStringTag] ?? data?.constructor?.name ?? String(data);
}

/** @type {(what: string, expected: unknown, got: unknown) => Error} */
function wrong(what, expected, got) {
  return new Error(`skerry module: ${what}: expected ${expected}, got ${got}`);
}
