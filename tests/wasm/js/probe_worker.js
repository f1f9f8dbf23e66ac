// POST inputs to `/?rows=N`, get answers. workerd gives the compiled module.

import module from "./model.wasm";
import { probe } from "./probe.js";

export default {
  async fetch(request) {
    try {
      const rows = Number(new URL(request.url).searchParams.get("rows"));
      return new Response(await probe(module, await request.arrayBuffer(), rows));
    } catch (error) {
      return new Response(error.stack, { status: 500 });
    }
  },
};
