//! Writes pickles as `torch.save` does (protocol 2, arrays as latin-1 text), and the zip around them.

use std::io::Write;

/// A Python value.
#[derive(Clone)]
pub enum Py {
    None,
    Bool(bool),
    Int(i32),
    Float(f64),
    Text(&'static str),
    Tuple(Vec<Py>),
    List(Vec<Py>),
    Dict(Vec<(&'static str, Py)>),
    Array { shape: Vec<i32>, code: &'static str, data: Vec<u8> },
}

impl Py {
    /// Replaces an entry of a dict, found by its path.
    pub fn set(&mut self, path: &[&'static str], value: Py) {
        let Py::Dict(entries) = self else { panic!("{path:?} does not lead through dicts") };
        let entry = match entries.iter_mut().position(|(k, _)| *k == path[0]) {
            Some(n) => &mut entries[n].1,
            None => {
                entries.push((path[0], Py::None));
                &mut entries.last_mut().unwrap().1
            }
        };
        if path.len() == 1 { *entry = value } else { entry.set(&path[1..], value) }
    }

    pub fn pickle(&self) -> Vec<u8> {
        let mut out = vec![0x80, 2];
        self.write(&mut out);
        out.push(b'.');
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::None => out.push(b'N'),
            Self::Bool(v) => out.push(if *v { 0x88 } else { 0x89 }),
            Self::Int(v) => {
                out.push(b'J');
                out.extend(v.to_le_bytes());
            }
            Self::Float(v) => {
                out.push(b'G');
                out.extend(v.to_be_bytes());
            }
            Self::Text(t) => text(t, out),
            Self::Tuple(items) => collection(items, b'(', b't', out),
            Self::List(items) => {
                out.extend(b"]");
                collection(items, b'(', b'e', out);
            }
            Self::Dict(entries) => {
                out.extend(b"}(");
                for (k, v) in entries {
                    text(k, out);
                    v.write(out);
                }
                out.push(b'u');
            }
            Self::Array { shape, code, data } => array(shape, code, data, out),
        }
    }
}

fn collection(items: &[Py], open: u8, close: u8, out: &mut Vec<u8>) {
    out.push(open);
    items.iter().for_each(|i| i.write(out));
    out.push(close);
}

fn text(t: &str, out: &mut Vec<u8>) {
    out.push(b'X');
    out.extend((t.len() as u32).to_le_bytes());
    out.extend(t.as_bytes());
}

fn latin1(data: &[u8], out: &mut Vec<u8>) {
    out.extend(b"c_codecs\nencode\n");
    text(&data.iter().map(|&b| b as char).collect::<String>(), out);
    text("latin1", out);
    out.extend([0x86, b'R']);
}

fn array(shape: &[i32], code: &'static str, data: &[u8], out: &mut Vec<u8>) {
    out.extend(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85");
    latin1(b"b", out);
    out.extend([0x87, b'R', b'(']);
    Py::Int(1).write(out);
    Py::Tuple(shape.iter().map(|&d| Py::Int(d)).collect()).write(out);
    out.extend(b"cnumpy\ndtype\n");
    text(code, out);
    out.extend([0x89, 0x88, 0x87, b'R']);
    let order = if code == "i1" { "|" } else { "<" };
    Py::Tuple(vec![Py::Int(3), Py::Text(order), Py::None, Py::None, Py::None, Py::Int(-1), Py::Int(-1), Py::Int(0)])
        .write(out);
    out.push(b'b');
    out.push(0x89);
    latin1(data, out);
    out.extend(b"tb");
}

/// The zip with a pickle stored in it.
pub fn zip(pickle: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut out);
    for (name, data) in [("archive/data.pkl", pickle), ("archive/version", b"3\n")] {
        let (mut entry, config) =
            archive.new_file(name).compression_method(rawzip::CompressionMethod::STORE).start().unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(data).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    out
}

/// A convolution's module; weights 1, 2, 3, ...
pub fn conv(shape: [i32; 4], in_c: i32, stride: i32, x: (f64, i32), y: (f64, i32)) -> Py {
    let [out_c, per, kh, kw] = shape;
    let n = out_c * per * kh * kw;
    let array = |code, width: usize, data: Vec<u8>| Py::Array { shape: vec![(data.len() / width) as i32], code, data };
    let bias = (0..out_c).flat_map(|c| (c * 10).to_le_bytes()).collect();
    let scales = (0..out_c).flat_map(|c| (0.01f32 * (c + 1) as f32).to_le_bytes()).collect();
    let params = Py::Dict(vec![
        (
            "weight",
            Py::Array { shape: shape.to_vec(), code: "i1", data: (0..n).map(|i| (i % 100 + 1) as u8).collect() },
        ),
        ("bias", array("i4", 4, bias)),
        ("x_scale", Py::Float(x.0)),
        ("x_zero", Py::Int(x.1)),
        ("y_scale", Py::Float(y.0)),
        ("y_zero", Py::Int(y.1)),
        ("w_scales", array("f4", 4, scales)),
    ]);
    Py::Dict(vec![
        ("in_channel", Py::Int(in_c)),
        ("in_shape", Py::Int(16)),
        ("out_channel", Py::Int(out_c)),
        ("kernel_size", Py::Tuple(vec![Py::Int(kh), Py::Int(kw)])),
        ("stride", Py::Int(stride)),
        ("groups", Py::Int(if per == 1 && out_c == in_c && in_c > 1 { in_c } else { 1 })),
        ("depthwise", Py::Bool(per == 1)),
        ("act", Py::None),
        ("params", params),
    ])
}

/// First convolution, one residual block, classifier.
pub fn small() -> Py {
    let (input, relu6, linear) = ((2.0 / 255.0, 0), (6.0 / 255.0, -128), (0.05, 5));
    let residual_params = Py::Dict(vec![
        ("x_scale", Py::Float(relu6.0)),
        ("x_zero", Py::Int(relu6.1)),
        ("y_scale", Py::Float(0.07)),
        ("y_zero", Py::Int(-3)),
    ]);
    let block = Py::Dict(vec![
        ("pointwise1", conv([8, 4, 1, 1], 4, 1, relu6, relu6)),
        ("depthwise", conv([8, 1, 3, 5], 8, 1, relu6, relu6)),
        ("pointwise2", conv([4, 8, 1, 1], 8, 1, relu6, linear)),
        ("residual", Py::Dict(vec![("in_channel", Py::Int(4)), ("params", residual_params)])),
        ("se", Py::None),
    ]);
    Py::Dict(vec![
        ("first_conv", conv([4, 3, 3, 3], 3, 2, input, relu6)),
        ("blocks", Py::List(vec![block])),
        ("feature_mix", Py::None),
        ("classifier", conv([10, 4, 1, 1], 4, 1, (0.07, -3), (0.2, 0))),
    ])
}
