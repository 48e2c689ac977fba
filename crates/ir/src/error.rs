/// What can be wrong with a graph or a scheme. `code()` is stable.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IrError {
    /// A model that the arithmetic does not cover.
    #[error("{place}: {what}")]
    Unsupported {
        /// Where in the model.
        place: String,
        /// What is not supported, and what is.
        what: String,
    },
    /// A scheme that does not parse or names what the model does not have.
    #[error("scheme '{scheme}': {what}")]
    Scheme {
        /// The scheme as given.
        scheme: String,
        /// What is wrong and what would help.
        what: String,
    },
    /// A pass broke the graph: a defect of ours.
    #[error("internal: the graph is broken after pass '{pass}': {what}")]
    Broken {
        /// The pass after which it was found.
        pass: String,
        /// The violated rule.
        what: String,
    },
}

impl IrError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "MODEL_UNSUPPORTED",
            Self::Scheme { .. } => "SCHEME_INVALID",
            Self::Broken { .. } => "INTERNAL",
        }
    }
}
