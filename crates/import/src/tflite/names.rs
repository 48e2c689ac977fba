//! Names of the format's types, for messages.

/// The name of an element type.
pub(super) fn dtype(code: i8) -> String {
    const TYPES: [&str; 20] = [
        "float32",
        "float16",
        "int32",
        "uint8",
        "int64",
        "string",
        "bool",
        "int16",
        "complex64",
        "int8",
        "float64",
        "complex128",
        "uint64",
        "resource",
        "variant",
        "uint32",
        "uint16",
        "int4",
        "bfloat16",
        "int2",
    ];
    usize::try_from(code).ok().and_then(|n| TYPES.get(n)).map_or_else(|| format!("type {code}"), |t| t.to_string())
}
