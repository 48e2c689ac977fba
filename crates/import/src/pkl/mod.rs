//! `.pkl`: the format of `mit-han-lab/tiny-training`, a zip that contains one stored pickle.

mod model;
mod pickle;
mod record;

use rawzip::{CompressionMethod, ZipArchive};

use self::pickle::Pickle;
use crate::budget::Budget;
use crate::error::{Fault, malformed, unsupported};
use crate::{ImportError, ImportOptions, Imported};

/// A model's archive has two entries, a PyTorch checkpoint perhaps a thousand.
const MAX_ENTRIES: usize = 1 << 12;

/// Whether the bytes begin like a zip.
pub(crate) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

pub(crate) fn import(path: &str, bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    let whole = |fault: Fault| fault.at(path, None);
    let data = entry(bytes).map_err(whole)?;
    let pickle = Pickle::read(data).map_err(whole)?;
    model::build(path, &pickle, Budget::of(data.len()), options)
}

/// The bytes of the pickle, borrowed from the file.
fn entry(bytes: &[u8]) -> Result<&[u8], Fault> {
    let archive = ZipArchive::from_slice(bytes)?;
    let mut entries = archive.entries();
    let mut found = None;
    for _ in 0..MAX_ENTRIES {
        let Some(header) = entries.next_entry()? else { break };
        let name = header.file_path();
        if !name.as_ref().ends_with(b"/data.pkl") {
            continue;
        }
        if found.is_some() {
            return malformed("the zip has more than one data.pkl");
        }
        if header.compression_method() != CompressionMethod::STORE {
            return unsupported("the zip's data.pkl is compressed; it must be stored (as torch.save does)");
        }
        found = Some(header.wayfinder());
    }
    let Some(place) = found else {
        return malformed("the zip has no entry 'archive/data.pkl'");
    };
    let entry = archive.get_entry(place)?;
    let (from, to) = entry.compressed_data_range();
    let Some(data) = bytes.get(from as usize..to as usize) else {
        return malformed("an entry lies outside the zip");
    };
    let claim = entry.claim_verifier();
    if claim.uncompressed_size != data.len() as u64 || claim.crc != rawzip::crc32(data) {
        return malformed("the checksum of data.pkl is wrong");
    }
    Ok(data)
}

impl From<rawzip::Error> for Fault {
    fn from(e: rawzip::Error) -> Self {
        Self::Malformed(format!("the zip cannot be read ({})", e.to_string().to_lowercase()))
    }
}
