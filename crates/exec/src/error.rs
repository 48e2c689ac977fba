/// Why a Program cannot be run, or stopped. `code()` is stable.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// A Program whose steps contradict each other.
    #[error(transparent)]
    Program(#[from] tinytrain_program::VerifyError),
    /// An input, label, state or data set of the wrong size.
    #[error("{what}: {found}, but {expected} is expected")]
    Size {
        /// The quantity that does not match.
        what: &'static str,
        /// The value found.
        found: usize,
        /// The value expected.
        expected: usize,
    },
    /// A call that does not suit the Program or its samples, such as training without a head.
    #[error("{0}")]
    Usage(&'static str),
    /// The requested kernels do not exist or cannot run on this processor.
    #[error("{0}")]
    Kernels(String),
    /// The caller stopped the run.
    #[error("stopped after {0} steps")]
    Aborted(u64),
    /// Samples could not be read.
    #[error("cannot read the samples: {0}")]
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
