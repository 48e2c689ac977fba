use tinytrain_ir::Wrt;

/// Why a graph has no Program. `code()` is stable.
#[derive(Debug, thiserror::Error)]
pub enum LowerError {
    /// A graph that was not differentiated, calibrated, fused or scheduled: a defect of ours.
    #[error("internal: {0}")]
    Graph(String),
    /// A gradient without an exponent.
    #[error("internal: the gradient of {0:?} was not calibrated")]
    Exponent(Wrt),
    /// The allocator refused.
    #[error("planning memory: {0}")]
    Plan(#[from] tinytrain_plan::PlanError),
    /// Arithmetic that the head does not cover.
    #[error("the feature scale {0} of the head is outside 2^-35 to 2^29")]
    FeatureScale(f64),
    /// A network whose first op cannot take its input row by row.
    #[error(
        "this model cannot be fed row by row: its first operation must work on windows or single values of rows whose bytes are a multiple of 4"
    )]
    Feed,
    /// A replay buffer for samples that come in row by row.
    #[error("a replay buffer for samples that come in row by row is not supported")]
    ReplayOfRows,
    /// A replay buffer beyond all boards.
    #[error("a replay buffer of {samples} samples of {bytes} bytes")]
    Replay {
        /// Its places.
        samples: u32,
        /// Bytes of each.
        bytes: usize,
    },
    /// Residual bits that do not exist.
    #[error("{0} residual bits: 0, 2, 4 and 8 are supported")]
    ResidualBits(u32),
}

impl LowerError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Graph(_) | Self::Exponent(_) => "INTERNAL",
            Self::Plan(_) => "PLAN_FAILED",
            Self::FeatureScale(_) | Self::Feed => "MODEL_UNSUPPORTED",
            Self::ResidualBits(_) => "RESIDUAL_BITS",
            Self::ReplayOfRows => "REPLAY_OF_ROWS",
            Self::Replay { .. } => "REPLAY_TOO_LARGE",
        }
    }
}
