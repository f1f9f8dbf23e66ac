// The tensor datatypes of Open Inference Protocol v2: element size, and JSON value -> little-endian bytes exactly as the
// agent converts them.

import { Undecided } from "./problem.js";

/** A JSON number beyond the double range reads as Infinity here; the agent refuses it. */
function finite(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function float32(view, at, value) {
  if (!finite(value) || !Number.isFinite(Math.fround(value))) return false;
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

/** FP16 has no JSON form: it is sent as binary data. */
function noJsonForm() {
  return false;
}

function integer(set, low, high) {
  return (view, at, value) => {
    if (!Number.isInteger(value)) return false;
    // JSON.parse has already lost digits beyond 2^53; the agent has not.
    if (!Number.isSafeInteger(value)) throw new Undecided("number-precision");
    if (value < low || value > high) return false;
    set(view, at, value);
    return true;
  };
}

const UINT64 = integer((v, at, x) => v.setBigUint64(at, BigInt(x), true), 0, Number.MAX_SAFE_INTEGER);
const INT64 = integer((v, at, x) => v.setBigInt64(at, BigInt(x), true), Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

/** Datatype name -> bytes per element, and (view, byte offset, JSON value) -> whether the agent takes the value. */
export const DTYPES = new Map([
  ["BOOL", { size: 1, write: boolean, isInteger: false }],
  ["UINT8", { size: 1, write: integer((v, at, x) => v.setUint8(at, x), 0, 0xff), isInteger: true }],
  ["UINT16", { size: 2, write: integer((v, at, x) => v.setUint16(at, x, true), 0, 0xffff), isInteger: true }],
  ["UINT32", { size: 4, write: integer((v, at, x) => v.setUint32(at, x, true), 0, 0xffffffff), isInteger: true }],
  ["UINT64", { size: 8, write: UINT64, isInteger: true }],
  ["INT8", { size: 1, write: integer((v, at, x) => v.setInt8(at, x), -0x80, 0x7f), isInteger: true }],
  ["INT16", { size: 2, write: integer((v, at, x) => v.setInt16(at, x, true), -0x8000, 0x7fff), isInteger: true }],
  ["INT32", { size: 4, write: integer((v, at, x) => v.setInt32(at, x, true), -0x80000000, 0x7fffffff), isInteger: true }],
  ["INT64", { size: 8, write: INT64, isInteger: true }],
  ["FP16", { size: 2, write: noJsonForm, isInteger: false }],
  ["FP32", { size: 4, write: float32, isInteger: false }],
  ["FP64", { size: 8, write: float64, isInteger: false }],
]);
