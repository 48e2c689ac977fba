//! From a forward graph to a scheduled training graph: an ordered list of named passes, with the graph verified after each.
//!
//! | pass | postcondition |
//! | --- | --- |
//! | `head` | the classifier is gone; a trainable head on the features is the last forward node |
//! | `fold` | no convolution reads the output of a padding node |
//! | `autodiff` | every convolution and the head have gradients and updates; at a fan-out, gradients are summed |
//! | `prune` | only the parameters that the scheme trains are updated; nothing is computed that no update needs |
//! | `fuse` | gradients are applied as they are computed: no weight gradient is ever stored |
//! | `gather` | of an input of which an update reads few channels, these alone are kept |
//! | `schedule` | an update runs as soon as its gradient exists, so that memory is released early |
//!
//! The exponents of gradients are calibrated on the graph after `autodiff`, before anything is pruned. Every scheme of a model therefore has the same
//! exponents, and a pruned backward pass yields the same bits as the full one.

mod autodiff;
mod fold;
mod fuse;
mod gather;
mod head;
mod live;
mod prune;
mod schedule;

pub use head::{backbone, classifier};
use tinytrain_ir::{Graph, IrError, Scheme};

/// The result of a pass.
pub struct Stage {
    /// Name of the pass, as given to `inspect --stage`.
    pub name: &'static str,
    /// The graph after the pass.
    pub graph: Graph,
}

fn verified(name: &'static str, graph: Graph) -> Result<Stage, IrError> {
    graph.verify(name)?;
    Ok(Stage { name, graph })
}

/// Runs `head`, `fold` and `autodiff`: the full training graph of a model for `classes` classes, with every possible update. `seed` is that of the
/// head's initial weights.
///
/// # Errors
/// A model or a number of classes that cannot be trained.
pub fn differentiate(graph: &Graph, classes: usize, seed: u64) -> Result<Vec<Stage>, IrError> {
    let head = verified("head", head::run(graph, classes, seed)?)?;
    let fold = verified("fold", fold::run(&head.graph))?;
    let autodiff = verified("autodiff", autodiff::run(&fold.graph)?)?;
    Ok(vec![head, fold, autodiff])
}

/// Runs `prune`, `fuse`, `gather` and `schedule` on a differentiated (and calibrated) graph.
pub fn specialise(graph: &Graph, scheme: &Scheme) -> Result<Vec<Stage>, IrError> {
    let prune = verified("prune", prune::run(graph, scheme)?)?;
    let fuse = verified("fuse", fuse::run(&prune.graph))?;
    let gather = verified("gather", gather::run(&fuse.graph))?;
    let schedule = verified("schedule", schedule::run(&gather.graph))?;
    Ok(vec![prune, fuse, gather, schedule])
}
