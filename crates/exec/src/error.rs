/// What can go wrong when a Program is compiled for the host or run. `code()` is stable.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// A graph that no pass takes.
    #[error(transparent)]
    Ir(#[from] tinytrain_ir::IrError),
    /// A graph that cannot be lowered.
    #[error(transparent)]
    Lower(#[from] tinytrain_lower::LowerError),
    /// A Program whose steps contradict each other: a defect of ours.
    #[error("internal: step {step} ({label}): {what}")]
    Program {
        /// Index of the step.
        step: usize,
        /// Its label.
        label: String,
        /// The violated rule.
        what: String,
    },
    /// Input, label, state or samples of the wrong size.
    #[error("{what}: {found} where {expected} is expected")]
    Size {
        /// Of what.
        what: &'static str,
        /// Found.
        found: usize,
        /// Expected.
        expected: usize,
    },
    /// A program without a head was asked to train, or the like.
    #[error("{0}")]
    Usage(&'static str),
    /// Kernels were asked for that do not exist or cannot run here.
    #[error("{0}")]
    Kernels(String),
    /// Stopped by the caller.
    #[error("stopped after {0} steps")]
    Aborted(u64),
    /// Reading samples failed.
    #[error("reading samples: {0}")]
    Io(#[from] std::io::Error),
}

impl ExecError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ir(e) => e.code(),
            Self::Lower(e) => e.code(),
            Self::Program { .. } => "INTERNAL",
            Self::Size { .. } => "SIZE_MISMATCH",
            Self::Usage(_) => "USAGE",
            Self::Kernels(_) => "KERNELS_UNAVAILABLE",
            Self::Aborted(_) => "ABORTED",
            Self::Io(_) => "IO",
        }
    }
}
