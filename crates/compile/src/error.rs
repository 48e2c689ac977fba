/// An error while compiling a model to a Program. `code()` is stable.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A graph that a pass rejects.
    #[error(transparent)]
    Ir(#[from] tinytrain_ir::IrError),
    /// A graph that cannot be lowered.
    #[error(transparent)]
    Lower(#[from] tinytrain_lower::LowerError),
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
            Self::Exec(e) => e.code(),
        }
    }
}
