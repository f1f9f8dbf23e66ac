// The tensor datatypes of Open Inference Protocol v2: element size, and JSON value -> little-endian bytes exactly as the
// agent converts them. A value whose conversion is not certain makes the request undecided, never wrong.

import { Undecided } from "./problem.js";

const HALF_MAX_EXPONENT = 15;
const HALF_MIN_EXPONENT = -14;
const HALF_FRACTION_BITS = 10;

/** IEEE 754 binary16 of a finite double, ties to even; undefined when it overflows. (Math.f16round is newer than Node 20.) */
export function halfBits(value) {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude === 0) return sign;
  const exponent = Math.max(binaryExponent(magnitude), HALF_MIN_EXPONENT);
  // Scaling by a power of two is exact in doubles, so the only rounding is the one below.
  const steps = roundHalfEven(magnitude * 2 ** (HALF_FRACTION_BITS - exponent));
  // A carry out of the fraction moves into the exponent by itself, as in the encoding.
  const bits = (exponent - HALF_MIN_EXPONENT) * 1024 + steps;
  return bits < (HALF_MAX_EXPONENT - HALF_MIN_EXPONENT + 2) * 1024 ? sign | bits : undefined;
}

function binaryExponent(magnitude) {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, magnitude);
  return ((view.getUint16(0) >> 4) & 0x7ff) - 1023;
}

function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest > 0.5 ? floor + 1 : floor;
  return floor % 2 === 0 ? floor : floor + 1;
}

function finite(value) {
  if (typeof value !== "number") return false;
  // A JSON number beyond the double range reads as Infinity here and is refused by the agent.
  if (!Number.isFinite(value)) throw new Undecided("number-range");
  return true;
}

function float16(view, at, value) {
  if (!finite(value)) return false;
  const bits = halfBits(value);
  if (bits === undefined) throw new Undecided("number-range");
  view.setUint16(at, bits, true);
  return true;
}

function float32(view, at, value) {
  if (!finite(value)) return false;
  if (!Number.isFinite(Math.fround(value))) throw new Undecided("number-range");
  view.setFloat32(at, value, true);
  return true;
}

function float64(view, at, value) {
  if (!finite(value)) return false;
  view.setFloat64(at, value, true);
  return true;
}

function boolean(view, at, value) {
  if (typeof value !== "boolean") return false;
  view.setUint8(at, value ? 1 : 0);
  return true;
}

function integer(set, low, high) {
  return (view, at, value) => {
    if (!finite(value)) return false;
    // JSON.parse has already lost digits beyond 2^53; the agent has not.
    if (!Number.isSafeInteger(value)) throw new Undecided("number-precision");
    if (value < low || value > high) return false;
    set(view, at, value);
    return true;
  };
}

const INTEGERS = {
  UINT8: [1, integer((v, at, x) => v.setUint8(at, x), 0, 0xff)],
  UINT16: [2, integer((v, at, x) => v.setUint16(at, x, true), 0, 0xffff)],
  UINT32: [4, integer((v, at, x) => v.setUint32(at, x, true), 0, 0xffffffff)],
  UINT64: [8, integer((v, at, x) => v.setBigUint64(at, BigInt(x), true), 0, Number.MAX_SAFE_INTEGER)],
  INT8: [1, integer((v, at, x) => v.setInt8(at, x), -0x80, 0x7f)],
  INT16: [2, integer((v, at, x) => v.setInt16(at, x, true), -0x8000, 0x7fff)],
  INT32: [4, integer((v, at, x) => v.setInt32(at, x, true), -0x80000000, 0x7fffffff)],
  INT64: [8, integer((v, at, x) => v.setBigInt64(at, BigInt(x), true), Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)],
};

/** Datatype name -> [bytes per element, (view, byte offset, JSON value) -> whether the value was of the type]. */
export const DTYPES = new Map([
  ...Object.entries(INTEGERS),
  ["BOOL", [1, boolean]],
  ["FP16", [2, float16]],
  ["FP32", [4, float32]],
  ["FP64", [8, float64]],
]);
