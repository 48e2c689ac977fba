//! Pickles: a small model, what is rejected, and files that try to be more than data.

mod common;

use common::pickled::{Py, conv, small, zip};
use tinytrain_import::{ImportError, ImportOptions, Imported, import};
use tinytrain_ir::Shape;

fn open(pickle: &[u8]) -> Result<Imported, ImportError> {
    import("models/tiny.pkl", &zip(pickle), &ImportOptions::default())
}

#[track_caller]
fn assert_rejected(pickle: &[u8], code: &str, says: &str) {
    let e = open(pickle).expect_err("it was imported");
    assert!(e.to_string().starts_with("models/tiny.pkl: ") && e.to_string().contains(says), "{e}");
    assert_eq!(e.code(), code, "{e}");
}

fn changed(path: &[&'static str], value: Py) -> Vec<u8> {
    let mut model = small();
    model.set(path, value);
    model.pickle()
}

#[test]
fn a_small_model_comes_through_whole() {
    let m = open(&small().pickle()).unwrap();
    let ops: Vec<_> = m.graph.nodes.iter().map(|n| n.op.name()).collect();
    assert_eq!(ops, ["conv", "conv", "conv", "conv", "add", "mean", "conv"]);
    assert_eq!((m.input.shape, m.format, m.graph.name.as_str()), (Shape::new(16, 16, 3), "pkl", "tiny"));
    assert_eq!(m.tensors[2].name, "blocks[0].depthwise");
    let first = &m.graph.layers[0];
    assert_eq!((first.geo.out_h, first.geo.pad_top, first.geo.pad_left, first.bias[1]), (8, 1, 1, 10));
    // OIHW 1, 2, 3, ... : the second input channel of the first tap is 9 further on.
    assert_eq!(&first.weights[..4], &[1, 10, 19, 2]);
    let depthwise = &m.graph.layers[2];
    assert_eq!((depthwise.geo.kh, depthwise.geo.kw, depthwise.geo.pad_top, depthwise.geo.pad_left), (3, 5, 1, 2));
    assert_eq!(&depthwise.weights[..3], &[1, 16, 31]);
    assert_eq!(m.graph.tensor(m.graph.outputs[0]).shape, Shape::new(1, 1, 10));
    assert_eq!(first.w_scales[1], 0.02f32 as f64);
}

#[test]
fn a_mismatch_is_named_with_its_path() {
    let block = |f: &dyn Fn(&mut Py)| {
        let mut model = small();
        let Py::Dict(entries) = &mut model else { unreachable!() };
        let Py::List(blocks) = &mut entries[1].1 else { unreachable!() };
        f(&mut blocks[0]);
        model.pickle()
    };
    let first = |key, value| changed(&["first_conv", key], value);
    assert_rejected(&first("kernel_size", Py::Int(5)), "MODEL_MALFORMED", "first_conv.params.weight has the shape");
    assert_rejected(&first("stride", Py::Int(0)), "MODEL_MALFORMED", "first_conv.stride is not a size");
    assert_rejected(
        &first("act", Py::Text("swish")),
        "MODEL_UNSUPPORTED",
        "operator 0 (first_conv): activation functions",
    );
    assert_rejected(&first("groups", Py::Int(2)), "MODEL_UNSUPPORTED", "grouped convolution (2 groups)");
    assert_rejected(&first("params", Py::None), "MODEL_MALFORMED", "'params' is missing");
    assert_rejected(&changed(&["classifier"], Py::None), "MODEL_MALFORMED", "'classifier' is missing");
    assert_rejected(&changed(&["first_conv", "params", "x_zero"], Py::Int(700)), "MODEL_MALFORMED", "outside int8");
    assert_rejected(
        &changed(&["first_conv", "params", "y_scale"], Py::Float(0.5)),
        "MODEL_MALFORMED",
        "pointwise1.params expects",
    );
    let nan = changed(&["classifier", "params", "y_scale"], Py::Float(f64::NAN));
    assert_rejected(&nan, "MODEL_UNSUPPORTED", "operator 6 (classifier): scale NaN");
    let short = Py::Array { shape: vec![4, 3, 3, 3], code: "i1", data: vec![1; 100] };
    assert_rejected(
        &changed(&["first_conv", "params", "weight"], short),
        "MODEL_MALFORMED",
        "108 bytes that its shape",
    );
    let huge = Py::Array { shape: vec![65536, 65536, 65536, 65536], code: "i1", data: vec![1; 100] };
    assert_rejected(&changed(&["first_conv", "params", "weight"], huge), "MODEL_MALFORMED", "not an array");
    let floats = Py::Array { shape: vec![4, 3, 3, 3], code: "f4", data: vec![0; 432] };
    assert_rejected(&changed(&["first_conv", "params", "weight"], floats), "MODEL_MALFORMED", "not an int8 array");
    let low = Py::Array { shape: vec![4, 3, 3, 3], code: "i1", data: vec![0x80; 108] };
    assert_eq!(open(&changed(&["first_conv", "params", "weight"], low)).unwrap().graph.layers[0].weights[0], -128);
    let se = block(&|b| b.set(&["se"], Py::Bool(true)));
    assert_rejected(&se, "MODEL_UNSUPPORTED", "operator 1 (blocks[0]): squeeze-and-excitation");
    let strided = block(&|b| b.set(&["depthwise", "stride"], Py::Int(2)));
    assert_rejected(&strided, "MODEL_UNSUPPORTED", "operator 4 (blocks[0].residual): ADD");
    let even = block(&|b| b.set(&["pointwise1"], conv([8, 4, 2, 2], 4, 1, (6.0 / 255.0, -128), (6.0 / 255.0, -128))));
    assert_rejected(&even, "MODEL_UNSUPPORTED", "an even kernel (2x2)");
    assert_rejected(&Py::List(vec![]).pickle(), "MODEL_MALFORMED", "the pickle's root is not a dict");
}

#[test]
fn a_pickle_that_calls_something_is_rejected_by_name() {
    // pickle.dumps(Exploit()) with __reduce__ = (os.system, ("...",)), protocols 2 and 4, and the old INST.
    let two = b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00echoq\x01\x85q\x02Rq\x03.";
    assert_rejected(two, "MODEL_GLOBAL", "the pickle refers to 'posix.system'");
    let os = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00echo\x85R.";
    assert_rejected(os, "MODEL_GLOBAL", "'os.system'");
    let four =
        b"\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04echo\x94\x85\x94R\x94.";
    assert_rejected(four, "MODEL_GLOBAL", "'posix.system'");
    assert_rejected(b"\x80\x02(X\x04\x00\x00\x00echoios\nsystem\n.", "MODEL_GLOBAL", "'os.system'");
    assert_rejected(b"\x80\x02cbuiltins\neval\x1b[2J\n.", "MODEL_GLOBAL", "'builtins.eval\\u{1b}[2J'");
    assert_rejected(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n.", "MODEL_GLOBAL", "_rebuild_tensor_v2");
    // Accepted names used in unknown ways.
    assert_rejected(b"\x80\x02cnumpy\nndarray\n)R.", "MODEL_MALFORMED", "in an unknown way");
    assert_rejected(b"\x80\x02cnumpy\ndtype\ncnumpy\nndarray\n\x85R.", "MODEL_MALFORMED", "in an unknown way");
    assert_rejected(b"\x80\x02}}b.", "MODEL_MALFORMED", "state that is not a tuple");
}

#[test]
fn both_spellings_of_numpy_are_accepted() {
    let pickle = small().pickle();
    let (from, to) = (b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n");
    let mut renamed = Vec::new();
    let mut rest = &pickle[..];
    while let Some(n) = rest.windows(from.len()).position(|w| w == from) {
        renamed.extend_from_slice(&rest[..n]);
        renamed.extend_from_slice(to);
        rest = &rest[n + from.len()..];
    }
    renamed.extend_from_slice(rest);
    assert!(renamed.len() > pickle.len() && open(&renamed).is_ok());
}

#[test]
fn bombs_cost_nothing() {
    // Lists of lists of ... by way of the memo: 2^200 items if anyone expanded them.
    let mut laughs = b"\x80\x02]q\x00".to_vec();
    for n in 0..200u8 {
        laughs.extend([b']', b'q', n + 1, b'(', b'h', n, b'h', n, b'e']);
    }
    laughs.push(b'.');
    assert_rejected(&laughs, "MODEL_MALFORMED", "");
    // Nesting a million deep: must neither recurse while reading nor while dropping.
    let mut deep = b"\x80\x02)".to_vec();
    deep.extend(std::iter::repeat_n(0x85, 1_000_000));
    deep.push(b'.');
    assert_rejected(&deep, "MODEL_MALFORMED", "the pickle's root is not a dict");
    // A list that holds itself.
    assert_rejected(b"\x80\x02]q\x00h\x00a.", "MODEL_MALFORMED", "not a dict");
    // Lengths beyond the file, a memo index of 2^32 - 1, an empty stack, marks without end.
    assert_rejected(b"\x80\x02X\xff\xff\xff\xffabc", "MODEL_MALFORMED", "ends early");
    assert_rejected(b"\x80\x02Nr\xff\xff\xff\xffj\xff\xff\xff\xff\x86.", "MODEL_MALFORMED", "not a dict");
    assert_rejected(b"\x80\x02j\x05\x00\x00\x00.", "MODEL_MALFORMED", "recalls 5");
    assert_rejected(b"\x80\x02(N\x86.", "MODEL_MALFORMED", "empty stack");
    assert_rejected(b"\x80\x02Nt.", "MODEL_MALFORMED", "has not started");
    assert_rejected(
        &[b"\x80\x02".to_vec(), vec![b'('; 100_000], vec![b'.']].concat(),
        "MODEL_MALFORMED",
        "empty stack",
    );
    assert_rejected(
        &[b"\x80\x02".to_vec(), vec![b'N'; 2_000_000]].concat(),
        "MODEL_MALFORMED",
        "more than 1048576 values",
    );
    assert_rejected(b"\x80\x02Q.", "MODEL_UNSUPPORTED", "PyTorch checkpoint");
    assert_rejected(b"\x80\x00.", "MODEL_UNSUPPORTED", "protocol 0");
    assert_rejected(b"\x80\x02\xffhello", "MODEL_UNSUPPORTED", "opcode 0xff at byte 2");
}

#[test]
fn the_same_weights_a_thousand_times_over_are_rejected() {
    // One block of 40,000 weights, put into the list of blocks 1,000 times by two bytes each.
    let same = (0.05, 5);
    let model = Py::Dict(vec![("first_conv", conv([200, 200, 1, 1], 200, 1, same, same))]).pickle();
    let (head, tail) = (&model[..model.len() - 2], b"u.");
    let mut bomb = head.to_vec();
    let mut put = |bytes: &[u8]| bomb.extend_from_slice(bytes);
    put(b"X\x06\x00\x00\x00blocks](}q\x00X\x0a\x00\x00\x00pointwise1");
    let block = conv([200, 200, 1, 1], 200, 1, same, same).pickle();
    put(&block[2..block.len() - 1]);
    put(b"s");
    for _ in 0..999 {
        put(b"h\x00");
    }
    put(b"e");
    put(tail);
    assert_rejected(&bomb, "MODEL_MALFORMED", "over and over");
}

#[test]
fn the_zip_must_hold_one_stored_pickle() {
    let good = zip(&small().pickle());
    let code = |bytes: &[u8]| import("a.pkl", bytes, &ImportOptions::default()).unwrap_err();
    let at = |needle: &[u8]| good.windows(needle.len()).position(|w| w == needle).unwrap();
    let mut damaged = good.clone();
    damaged[at(b"first_conv")] ^= 1;
    assert!(code(&damaged).to_string().contains("checksum"));
    assert_eq!(code(&good[..good.len() / 2]).code(), "MODEL_MALFORMED");
    assert_eq!(code(b"PK\x03\x04").code(), "MODEL_MALFORMED");
    assert_eq!(code(&small().pickle()).code(), "MODEL_FORMAT");
    let no_model = rawzip_with("readme.txt");
    assert!(code(&no_model).to_string().contains("no entry"));
}

/// A zip with one entry of this name.
fn rawzip_with(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut out);
    let (mut entry, config) = archive.new_file(name).start().unwrap();
    let (_, descriptor) = config.wrap(&mut entry).finish().unwrap();
    entry.finish(descriptor).unwrap();
    archive.finish().unwrap();
    out
}
