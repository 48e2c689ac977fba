use std::fmt;

use tinytrain_ir::IrError;

/// Why a model was not imported. `code()` is stable; the message names the file, the place in it and what would help.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// Neither a `.tflite` nor a `.pkl`.
    #[error("{file}: not a .tflite and not a .pkl model: {what}")]
    Format {
        /// The file.
        file: String,
        /// What it looks like.
        what: String,
    },
    /// Damaged, truncated, or at odds with itself.
    #[error("{file}: {}the file is damaged: {what}", colon(operator))]
    Malformed {
        /// The file.
        file: String,
        /// The operator, where the damage has one.
        operator: Option<Box<Operator>>,
        /// What is wrong.
        what: String,
    },
    /// A sound model with something in it that is not supported.
    #[error("{file}: {}{what}", colon(operator))]
    Unsupported {
        /// The file.
        file: String,
        /// The operator, unless the whole model is meant.
        operator: Option<Box<Operator>>,
        /// What is not supported, and what is.
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
    /// A pickle that asks for a name beyond the four that arrays are made of. Nothing was called.
    #[error(
        "{file}: the pickle asks for '{global}', refused: a model holds numpy arrays and plain data \
         (only _reconstruct, ndarray, dtype and _codecs.encode are known, and nothing is ever called)"
    )]
    Global {
        /// The file.
        file: String,
        /// The name it asked for.
        global: String,
    },
    /// Options that do not fit the model.
    #[error("{file}: {what}")]
    Options {
        /// The file.
        file: String,
        /// What does not fit.
        what: String,
    },
    /// The arithmetic does not cover the model.
    #[error("{file}: {}", graph_message(operator, source))]
    Graph {
        /// The file.
        file: String,
        /// The operator, unless the whole graph is meant.
        operator: Option<Box<Operator>>,
        /// What the builder said.
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

    /// The operator it happened at, if at one.
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

/// An operator of the file, as messages name it: `operator 17 (TRANSPOSE_CONV, tensors 31 -> 32)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Its index in the file; in a `.pkl`, where there is none, its place in order of execution.
    pub index: usize,
    /// The operator's name, or the module's.
    pub name: String,
    /// Tensors it reads, constants left out.
    pub inputs: Vec<usize>,
    /// Tensors it yields.
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

/// At most six indices.
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

/// The builder names the operator by its index; where more is known of it, that is said instead.
fn graph_message(operator: &Option<Box<Operator>>, source: &IrError) -> String {
    match (operator, source) {
        (Some(o), IrError::Unsupported { what, .. }) => format!("{o}: {what}"),
        _ => format!("{}{source}", colon(operator)),
    }
}

/// What went wrong, before file and operator are known.
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

/// A name out of an untrusted file: printable and short.
pub(crate) fn printable(name: &str) -> String {
    let cut: String = name.chars().take(120).collect();
    cut.escape_debug().to_string()
}
