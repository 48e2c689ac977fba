//! Zip archives of files that are stored as they are.

use std::io::Write;

use rawzip::{CompressionMethod, ZipArchiveWriter, ZipDataWriter};

/// Appends an archive to `bytes`; its offsets count from the beginning of the whole. The same files give the same bytes.
pub fn append(bytes: &mut Vec<u8>, files: &[(String, Vec<u8>)]) {
    let offset = bytes.len() as u64;
    let mut archive = ZipArchiveWriter::builder().with_offset(offset).build(&mut *bytes);
    for (name, content) in files {
        store(&mut archive, name, content).expect("memory takes everything");
    }
    archive.finish().expect("memory takes everything");
}

fn store(archive: &mut ZipArchiveWriter<&mut Vec<u8>>, name: &str, content: &[u8]) -> Result<(), rawzip::Error> {
    let (mut entry, config) = archive.new_file(name).compression_method(CompressionMethod::STORE).start()?;
    let mut writer = config.wrap(&mut entry);
    writer.write_all(content)?;
    let (_, descriptor) = ZipDataWriter::finish(writer)?;
    entry.finish(descriptor)?;
    Ok(())
}
