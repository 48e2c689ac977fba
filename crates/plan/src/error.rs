//! The one error of this crate.

/// Why a problem, a plan or a CSV file was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A buffer that is never live: it has no window, or the half-open steps of one contain no step.
    #[error("buffer {id}: empty lifetime [{start}, {end})")]
    EmptyLifetime {
        /// Id of the buffer.
        id: usize,
        /// First step of the lifetime.
        start: u32,
        /// Step after the last of the lifetime.
        end: u32,
    },
    /// A window that does not start where the one before it ends.
    #[error("buffer {id}: a window starts at step {start}, the one before it ends at step {ended}")]
    WindowGap {
        /// Id of the buffer.
        id: usize,
        /// Step after the last of the window before.
        ended: u32,
        /// First step of the window.
        start: u32,
    },
    /// A window without a byte, or with bytes that the buffer does not have.
    #[error("buffer {id}: live bytes [{lo}, {hi}) at step {start} are no part of its {size}")]
    BadWindow {
        /// Id of the buffer.
        id: usize,
        /// First step of the window.
        start: u32,
        /// First live byte.
        lo: u32,
        /// Byte after the last live one.
        hi: u32,
        /// Size of the buffer, in bytes.
        size: u32,
    },
    /// An alignment that is not a power of two.
    #[error("buffer {id}: alignment {align} is not a power of two")]
    BadAlignment {
        /// Id of the buffer.
        id: usize,
        /// The alignment asked for, in bytes.
        align: u32,
    },
    /// The buffers need more bytes than a `u32` offset can address, because of their sizes or of their alignment.
    #[error("{bytes} bytes do not fit a 32-bit address space")]
    TooLarge {
        /// Bytes needed: live at one step, or the peak of the best plan found.
        bytes: u64,
    },
    /// A plan with more or fewer offsets than there are buffers.
    #[error("{buffers} buffers but {offsets} offsets")]
    OffsetCount {
        /// Number of buffers.
        buffers: usize,
        /// Number of offsets.
        offsets: usize,
    },
    /// An offset that is not a multiple of the buffer's alignment.
    #[error("buffer {id}: offset {offset} is not a multiple of {align}")]
    Misaligned {
        /// Id of the buffer.
        id: usize,
        /// Its offset, in bytes.
        offset: u32,
        /// Its alignment, in bytes.
        align: u32,
    },
    /// A buffer that reaches past the end of the arena.
    #[error("buffer {id}: ends at byte {end} of an arena of {total}")]
    OutOfArena {
        /// Id of the buffer.
        id: usize,
        /// Byte after its last.
        end: u64,
        /// Size of the arena, in bytes.
        total: u32,
    },
    /// Two buffers that are live at the same step share a byte.
    #[error("buffers {first} and {second} overlap in time and in memory")]
    Overlap {
        /// Id of the buffer that comes first in the input.
        first: usize,
        /// Id of the other.
        second: usize,
    },
    /// A CSV text that does not describe a problem.
    #[error("line {line}: {reason}")]
    Csv {
        /// Line of the text, from 1.
        line: usize,
        /// The mistake.
        reason: String,
    },
}

impl PlanError {
    /// A stable code for the kind of error, for callers that cannot match on the enum.
    pub fn code(&self) -> &'static str {
        match self {
            Self::EmptyLifetime { .. } => "PLAN_EMPTY_LIFETIME",
            Self::WindowGap { .. } => "PLAN_WINDOW_GAP",
            Self::BadWindow { .. } => "PLAN_BAD_WINDOW",
            Self::BadAlignment { .. } => "PLAN_BAD_ALIGNMENT",
            Self::TooLarge { .. } => "PLAN_TOO_LARGE",
            Self::OffsetCount { .. } => "PLAN_OFFSET_COUNT",
            Self::Misaligned { .. } => "PLAN_MISALIGNED",
            Self::OutOfArena { .. } => "PLAN_OUT_OF_ARENA",
            Self::Overlap { .. } => "PLAN_OVERLAP",
            Self::Csv { .. } => "PLAN_CSV",
        }
    }
}
