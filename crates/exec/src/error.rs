/// Why a Program cannot be run, or stopped. `code()` is stable.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// A Program whose steps contradict each other.
    #[error(transparent)]
    Program(#[from] tinytrain_program::VerifyError),
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
            Self::Program(_) => "PROGRAM_BROKEN",
            Self::Size { .. } => "SIZE_MISMATCH",
            Self::Usage(_) => "USAGE",
            Self::Kernels(_) => "KERNELS_UNAVAILABLE",
            Self::Aborted(_) => "ABORTED",
            Self::Io(_) => "IO",
        }
    }
}
