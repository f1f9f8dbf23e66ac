"""CDN hooks: request checks and cache in the CDN worker, before the model."""
