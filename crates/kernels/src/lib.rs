//! Reference kernels in plain loops, each beside its C twin
