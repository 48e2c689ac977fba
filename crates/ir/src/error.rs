/// An error in a graph or a scheme. `code()` is stable.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IrError {
    /// A model that is not covered by the arithmetic.
    #[error("{place}: {what}")]
    Unsupported {
        /// Where in the model.
        place: String,
        /// The unsupported feature, and what is supported instead.
        what: String,
    },
    /// A scheme that cannot be parsed, or that refers to convolutions the model does not have.
    #[error("scheme '{scheme}': {what}")]
    Scheme {
        /// The scheme as given.
        scheme: String,
        /// The mistake and how to correct it.
        what: String,
    },
    /// A pass produced an invalid graph: a bug in this package.
    #[error("internal: the graph is invalid after pass '{pass}': {what}")]
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
