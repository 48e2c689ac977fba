//! Autodiff, prune, fuse and schedule: named passes over the graph
