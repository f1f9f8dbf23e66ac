// POST inputs, get answers. workerd gives the compiled module.

import module from "./model.wasm";
import { probe } from "./probe.js";

export default {
  async fetch(request) {
    try {
      return new Response(await probe(module, await request.arrayBuffer()));
    } catch (error) {
      return new Response(error.stack, { status: 500 });
    }
  },
};
