//! Why a float model is not quantised.

/// An error; `code()` is stable, the message names the file, the place in it and, where possible, a remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantiseError {
    /// A damaged, truncated or inconsistent file.
    #[error("{file}: the file is damaged: {what}")]
    Malformed {
        /// The file.
        file: String,
        /// The damage.
        what: String,
    },
    /// A valid model that uses what is not supported.
    #[error("{file}: {what}")]
    Unsupported {
        /// The file.
        file: String,
        /// What it is, and what is supported instead.
        what: String,
    },
    /// Samples that do not suit the model.
    #[error("{0}")]
    Samples(String),
}

impl QuantiseError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "MODEL_MALFORMED",
            Self::Unsupported { .. } => "MODEL_UNSUPPORTED",
            Self::Samples(_) => "SAMPLES_UNSUITED",
        }
    }
}

/// An error before the file is known.
#[derive(Debug)]
pub(crate) enum Fault {
    Malformed(String),
    Unsupported(String),
}

impl Fault {
    pub(crate) fn at(self, file: &str) -> QuantiseError {
        let file = file.to_string();
        match self {
            Self::Malformed(what) => QuantiseError::Malformed { file, what },
            Self::Unsupported(what) => QuantiseError::Unsupported { file, what },
        }
    }

    /// With the place in front.
    pub(crate) fn within(self, place: &str) -> Self {
        match self {
            Self::Malformed(what) => Self::Malformed(format!("{place}: {what}")),
            Self::Unsupported(what) => Self::Unsupported(format!("{place}: {what}")),
        }
    }
}

pub(crate) fn malformed<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Malformed(what.into()))
}

pub(crate) fn unsupported<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Unsupported(what.into()))
}
