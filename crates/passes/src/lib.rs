//! From a forward graph to a scheduled training graph: an ordered list of named passes, the graph verified after each.
//!
//! | pass | what holds afterwards |
//! | --- | --- |
//! | `head` | the classifier is gone; a trainable head on the features is the last forward node |
//! | `fold` | no padding node stands before a convolution |
//! | `autodiff` | every convolution and the head have gradients and updates; gradients are summed at a fan-out |
//! | `prune` | only what the scheme trains is updated; nothing is computed that no update needs |
//! | `fuse` | a gradient is applied where it is made: no weight gradient is ever stored |
//! | `schedule` | an update runs as soon as its gradient exists and the memory is given back |
//!
//! Exponents of gradients are fixed by calibration on the graph after `autodiff`, before anything is pruned: so every scheme of a model has the same
//! exponents, and a pruned backward pass gives the bits of the full one.

mod autodiff;
mod fold;
mod fuse;
mod head;
mod live;
mod prune;
mod schedule;

pub use head::backbone;
use tinytrain_ir::{Graph, IrError, Scheme};

/// A pass by name.
pub struct Stage {
    /// Name, as `inspect --stage` takes it.
    pub name: &'static str,
    /// The graph after it.
    pub graph: Graph,
}

fn verified(name: &'static str, graph: Graph) -> Result<Stage, IrError> {
    graph.verify(name)?;
    Ok(Stage { name, graph })
}

/// `head`, `fold` and `autodiff`: the whole training graph of a model for `classes` classes, with every update there can be.
pub fn differentiate(graph: &Graph, classes: usize, seed: u64) -> Result<Vec<Stage>, IrError> {
    let head = verified("head", head::run(graph, classes, seed)?)?;
    let fold = verified("fold", fold::run(&head.graph))?;
    let autodiff = verified("autodiff", autodiff::run(&fold.graph)?)?;
    Ok(vec![head, fold, autodiff])
}

/// `prune`, `fuse` and `schedule` of a differentiated (and calibrated) graph.
pub fn specialise(graph: &Graph, scheme: &Scheme) -> Result<Vec<Stage>, IrError> {
    let prune = verified("prune", prune::run(graph, scheme)?)?;
    let fuse = verified("fuse", fuse::run(&prune.graph))?;
    let schedule = verified("schedule", schedule::run(&fuse.graph))?;
    Ok(vec![prune, fuse, schedule])
}
