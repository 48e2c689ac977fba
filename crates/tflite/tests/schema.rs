//! Fails when the generated accessors are older than the schema.

/// As POSIX `cksum` computes it.
fn cksum(bytes: &[u8]) -> u32 {
    let mut length = bytes.len();
    let tail = std::iter::from_fn(|| {
        let byte = (length > 0).then_some(length as u8);
        length >>= 8;
        byte
    });
    let update = |crc: u32, byte: u8| {
        (0..8).fold(crc ^ ((byte as u32) << 24), |c, _| if c >> 31 == 1 { c << 1 ^ 0x04c1_1db7 } else { c << 1 })
    };
    !bytes.iter().copied().chain(tail).fold(0, update)
}

#[test]
fn generated_accessors_are_those_of_the_schema() {
    let schema = include_str!("../schema/tflite.fbs").replace("\r\n", "\n");
    let banner = format!("// tflite.fbs: {} {}", cksum(schema.as_bytes()), schema.len());
    let generated = include_str!("../src/schema.rs");
    assert_eq!(generated.lines().nth(1), Some(&banner[..]), "run crates/tflite/schema/generate.sh");
}
