//! OpenRouter simulated: a catalog, keys, limits and faults by script and seed
