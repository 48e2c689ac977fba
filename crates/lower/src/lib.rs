//! Training graph to buffers, plan and Program
