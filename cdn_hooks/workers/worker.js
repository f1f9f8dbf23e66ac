// Entry of the module worker: binds the hook to the platform's cache, clock and network.

import settings from "./config.js";
import { createHook } from "./hook.js";

const hook = createHook(settings, {
  fetch: (url, init) => fetch(url, init),
  cache: {
    match: (request) => caches.default.match(request),
    put: (request, response) => caches.default.put(request, response),
  },
  now: () => Date.now(),
});

export default { fetch: (request) => hook(request) };
