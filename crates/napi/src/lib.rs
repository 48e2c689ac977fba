//! N-API layer: conversions, async tasks, error mapping
