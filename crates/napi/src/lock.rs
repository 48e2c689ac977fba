//! Locks between processes. WebAssembly knows neither the locks of files nor the number of its process: `ts/folder.ts` does there without.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::Write;

use napi::Result;
use napi_derive::napi;
use serde_json::json;

use crate::error::Failure;

/// Times that a lock is tried again whose file was removed by the process that let it go.
const ATTEMPTS: usize = 16;

/// A lock on a file, which the system lets go when the process ends, however it ends.
#[napi]
pub struct FileLock {
    file: Option<File>,
}

#[napi]
impl FileLock {
    /// Lets the lock go. Closing the file would not do: a child process that is being started holds it as well until it runs its own program.
    #[napi(catch_unwind)]
    pub fn release(&mut self) {
        if let Some(file) = self.file.take() {
            // Where it fails, closing it is all that is left.
            let _ = file.unlock();
        }
    }
}

/// Locks a file, which is created and then contains the number of this process; none if another process, or another lock of this one, has it.
#[napi(catch_unwind)]
pub fn lock_file(path: String) -> Result<Option<FileLock>> {
    let failed = |e: std::io::Error| {
        Failure::new("IO", format!("{path}: cannot be locked: {e}")).with(json!({ "system": e.raw_os_error() }))
    };
    for _ in 0..ATTEMPTS {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(failed(e).into()),
        }
        // Between opening and locking, the process that had it may have removed the file.
        let same = std::fs::metadata(&path).is_ok_and(|there| file.metadata().is_ok_and(|own| is_same(&there, &own)));
        if same {
            // Only for the message that others get.
            let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            return Ok(Some(FileLock { file: Some(file) }));
        }
    }
    Ok(None)
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Where an open file cannot be removed, it is always the same.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}
