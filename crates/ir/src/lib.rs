//! The graph that importers build, passes rewrite and `lower` turns into a Program.
//!
//! A [`Graph`] is a list of nodes in order of execution over tensors of shape HWC (the batch is always 1). Parameters of convolutions live beside
//! it as [`Layer`]s: forward, input gradient and weight gradient of one convolution are three nodes that name the same layer, so a trained
//! weight has one place. A pass may only append tensors and replace the list of nodes; [`Graph::verify`] runs after each.
//!
//! [`GraphBuilder`] is the only way to make a forward graph: it holds the arithmetic that turns scales into integers, so every importer gives the
//! same integers for the same model.

mod build;
mod dump;
mod error;
mod graph;
mod scheme;
mod verify;

pub use build::{ConvSpec, GraphBuilder, PoolSpec};
pub use error::IrError;
pub use graph::{Graph, Head, Kind, Layer, LayerId, Node, Op, Origin, Quant, Shape, Tensor, TensorId, Training, Wrt};
pub use scheme::{Scheme, Share};
