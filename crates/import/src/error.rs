use std::fmt;

use tinytrain_ir::IrError;

/// Why a model was not imported. `code()` is stable; the message names the file, the place in it and, where possible, a
/// remedy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// Neither a `.tflite` nor a `.pkl`.
    #[error("{file}: not a .tflite and not a .pkl model: {what}")]
    Format {
        /// The file.
        file: String,
        /// A guess at what it is.
        what: String,
    },
    /// A damaged, truncated or inconsistent file.
    #[error("{file}: {}the file is damaged: {what}", colon(operator))]
    Malformed {
        /// The file.
        file: String,
        /// The operator in which the damage was found, if any.
        operator: Option<Box<Operator>>,
        /// The damage.
        what: String,
    },
    /// A valid model that uses an unsupported feature.
    #[error("{file}: {}{what}", colon(operator))]
    Unsupported {
        /// The file.
        file: String,
        /// The operator, unless the whole model is meant.
        operator: Option<Box<Operator>>,
        /// The unsupported feature, and what is supported instead.
        what: String,
    },
    /// An operator that is not supported at all.
    #[error("{file}: {operator} is not supported\n  supported: {}", crate::supported_ops().join(", "))]
    Operator {
        /// The file.
        file: String,
        /// The operator.
        operator: Box<Operator>,
    },
    /// A pickle that refers to a name other than the four that numpy arrays need. Nothing was called.
    #[error(
        "{file}: the pickle refers to '{global}', which is rejected: a model consists of numpy arrays and plain data \
         (only _reconstruct, ndarray, dtype and _codecs.encode are accepted, and nothing is ever called)"
    )]
    Global {
        /// The file.
        file: String,
        /// The name it refers to.
        global: String,
    },
    /// Options that do not match the model.
    #[error("{file}: {what}")]
    Options {
        /// The file.
        file: String,
        /// The mismatch.
        what: String,
    },
    /// A model that is not covered by the arithmetic.
    #[error("{file}: {}", graph_message(operator, source))]
    Graph {
        /// The file.
        file: String,
        /// The operator, unless the whole graph is meant.
        operator: Option<Box<Operator>>,
        /// The error of the graph builder.
        source: IrError,
    },
}

impl ImportError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Format { .. } => "MODEL_FORMAT",
            Self::Malformed { .. } => "MODEL_MALFORMED",
            Self::Unsupported { .. } => "MODEL_UNSUPPORTED",
            Self::Operator { .. } => "MODEL_OPERATOR",
            Self::Global { .. } => "MODEL_GLOBAL",
            Self::Options { .. } => "MODEL_OPTIONS",
            Self::Graph { source, .. } => source.code(),
        }
    }

    /// The operator that caused the error, if one did.
    pub fn operator(&self) -> Option<&Operator> {
        match self {
            Self::Malformed { operator, .. } | Self::Unsupported { operator, .. } | Self::Graph { operator, .. } => {
                operator.as_deref()
            }
            Self::Operator { operator, .. } => Some(operator),
            Self::Format { .. } | Self::Global { .. } | Self::Options { .. } => None,
        }
    }
}

/// An operator of the file. Displayed as `operator 17 (TRANSPOSE_CONV, tensors 31 -> 32)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Its index in the file; in a `.pkl`, which has no indices, its position in order of execution.
    pub index: usize,
    /// The name of the operator or module.
    pub name: String,
    /// Tensors it reads, without constants.
    pub inputs: Vec<usize>,
    /// Tensors it writes.
    pub outputs: Vec<usize>,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} ({}", self.index, self.name)?;
        if !self.outputs.is_empty() {
            write!(f, ", tensors {} -> {}", list(&self.inputs), list(&self.outputs))?;
        }
        f.write_str(")")
    }
}

/// The indices as text, at most six of them.
fn list(indices: &[usize]) -> String {
    let mut text = indices.iter().take(6).map(usize::to_string).collect::<Vec<_>>().join(", ");
    if indices.len() > 6 {
        text += ", ...";
    }
    text
}

fn colon(operator: &Option<Box<Operator>>) -> String {
    operator.as_ref().map_or(String::new(), |o| format!("{o}: "))
}

/// The builder's message names the operator by its index only; the full description replaces that if it is available.
fn graph_message(operator: &Option<Box<Operator>>, source: &IrError) -> String {
    match (operator, source) {
        (Some(o), IrError::Unsupported { what, .. }) => format!("{o}: {what}"),
        _ => format!("{}{source}", colon(operator)),
    }
}

/// An error before the file and the operator are known.
#[derive(Debug)]
pub(crate) enum Fault {
    Malformed(String),
    Unsupported(String),
    Operator,
    Global(String),
    Graph(IrError),
}

impl Fault {
    pub(crate) fn at(self, file: &str, operator: Option<Operator>) -> ImportError {
        let (file, operator) = (file.to_string(), operator.map(Box::new));
        match self {
            Self::Malformed(what) => ImportError::Malformed { file, operator, what },
            Self::Unsupported(what) => ImportError::Unsupported { file, operator, what },
            Self::Global(global) => ImportError::Global { file, global },
            Self::Graph(source) => ImportError::Graph { file, operator, source },
            Self::Operator => match operator {
                Some(operator) => ImportError::Operator { file, operator },
                None => ImportError::Unsupported { file, operator, what: "an operator is not supported".into() },
            },
        }
    }
}

impl From<IrError> for Fault {
    fn from(e: IrError) -> Self {
        Self::Graph(e)
    }
}

pub(crate) fn malformed<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Malformed(what.into()))
}

pub(crate) fn unsupported<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Unsupported(what.into()))
}

/// A name from an untrusted file, made printable and cut to 120 characters.
pub(crate) fn printable(name: &str) -> String {
    let cut: String = name.chars().take(120).collect();
    cut.escape_debug().to_string()
}
