//! Graph, typed ids, tensor facts, update schemes, verifier and text dump
