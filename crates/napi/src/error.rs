use std::fmt::Display;

use serde_json::{Value, json};
use tinytrain_compile::CompileError;
use tinytrain_exec::ExecError;
use tinytrain_export::ExportError;
use tinytrain_ir::IrError;
use tinytrain_program::FileError;
use tinytrain_target::{CostError, TargetError};

/// An error on its way to JavaScript.
#[derive(Debug)]
pub struct Failure {
    code: &'static str,
    message: String,
    details: Value,
}

impl Failure {
    /// An error with a stable code.
    pub fn new(code: &'static str, message: impl Display) -> Self {
        Self { code, message: message.to_string(), details: json!({}) }
    }

    /// The same error with machine-readable details.
    pub fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}

impl From<Failure> for napi::Error {
    fn from(f: Failure) -> Self {
        Self::from_reason(json!({ "code": f.code, "message": f.message, "details": f.details }).to_string())
    }
}

impl From<ExecError> for Failure {
    fn from(e: ExecError) -> Self {
        let details = match &e {
            ExecError::Size { found, expected, .. } => json!({ "found": found, "expected": expected }),
            ExecError::Aborted(steps) => json!({ "steps": steps }),
            _ => json!({}),
        };
        Self::new(e.code(), &e).with(details)
    }
}

impl From<IrError> for Failure {
    fn from(e: IrError) -> Self {
        Self::new(e.code(), e)
    }
}

impl From<CompileError> for Failure {
    fn from(e: CompileError) -> Self {
        match e {
            CompileError::Exec(e) => e.into(),
            _ => Self::new(e.code(), e),
        }
    }
}

impl From<ExportError> for Failure {
    fn from(e: ExportError) -> Self {
        Self::new(e.code(), e)
    }
}

impl From<FileError> for Failure {
    fn from(e: FileError) -> Self {
        Self::new(e.code(), e)
    }
}

impl From<CostError> for Failure {
    fn from(e: CostError) -> Self {
        let help = "`npx tinytrain run FIRMWARE --calibrate FILE` measures costs, `search --costs FILE` takes them";
        Self::new(e.code(), e).with(json!({ "help": [help] }))
    }
}

impl From<TargetError> for Failure {
    fn from(e: TargetError) -> Self {
        let details = match &e {
            TargetError::Unknown { known, .. } => json!({
                "known": known,
                "help": ["or the path of a board's folder: `npx tinytrain board FOLDER` prepares one"],
            }),
            TargetError::Invalid { path, .. } => json!({ "path": path }),
            TargetError::NoStore { board } => json!({
                "board": board,
                "help": ["device/boards/stm32f746/board.toml has one; docs/store.md says what it takes"],
            }),
            TargetError::StoreTooSmall { board, needed, sector } => json!({
                "board": board,
                "needed": needed,
                "limit": sector,
                "help": ["a scheme that trains less has a smaller state, and so has one with fewer residual bits"],
            }),
            TargetError::NoStoreFunctions { board, core } => json!({ "board": board, "core": core }),
            TargetError::Function { board, core, .. } | TargetError::Recursion { board, function: core } => json!({
                "board": board,
                "core": core,
                "help": ["`npx tinytrain board FOLDER` makes the tables of a board again"],
            }),
        };
        Self::new(e.code(), &e).with(details)
    }
}
