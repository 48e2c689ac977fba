//! The graph that importers build, passes rewrite and `lower` turns into a Program.
//!
//! A [`Graph`] is a list of nodes in order of execution over tensors of shape HWC (the batch size is always 1). The parameters of convolutions are
//! kept beside it as [`Layer`]s: the forward pass, input gradient and weight gradient of a convolution are three nodes that refer to the same layer,
//! so a trained weight exists once. A pass may only append tensors and replace the list of nodes; [`Graph::verify`] runs after each pass.
//!
//! Forward graphs are built only by [`GraphBuilder`]. It contains the arithmetic that turns scales into integers, so every importer yields the
//! same integers for the same model.

mod build;
mod dump;
mod error;
mod functions;
mod graph;
mod movement;
mod op;
mod scheme;
mod verify;

pub use build::{ConvSpec, GraphBuilder, PoolSpec};
pub use error::IrError;
pub use functions::Function;
pub use graph::{
    Classifier, Graph, Head, HeadRow, Kind, Layer, LayerId, Lookup, MovedBox, Movement, Node, Origin, Quant, Shape,
    Steps, Tensor, TensorId, Training, Wrt,
};
pub use op::Op;
pub use scheme::{Scheme, Share};
