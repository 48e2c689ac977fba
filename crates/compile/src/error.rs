/// An error while compiling a model to a Program. `code()` is stable.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A graph that a pass rejects.
    #[error(transparent)]
    Ir(#[from] tinytrain_ir::IrError),
    /// A graph that cannot be lowered.
    #[error(transparent)]
    Lower(#[from] tinytrain_lower::LowerError),
    /// A class of the head that starts with weights for other features.
    #[error("{found} weights for a class of a head on {expected} features")]
    Row {
        /// Number of its weights.
        found: usize,
        /// Number of features.
        expected: usize,
    },
    /// A Program of another model.
    #[error("a program of another model: a tensor of its state has {found} elements, the model wants {expected}")]
    State {
        /// Elements of the state.
        found: usize,
        /// Those of the model.
        expected: usize,
    },
    /// Calibration could not run its forward pass.
    #[error(transparent)]
    Exec(#[from] tinytrain_exec::ExecError),
}

impl CompileError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ir(e) => e.code(),
            Self::Lower(e) => e.code(),
            Self::Row { .. } | Self::State { .. } => "SIZE_MISMATCH",
            Self::Exec(e) => e.code(),
        }
    }
}
