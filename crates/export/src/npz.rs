//! The weights as numpy arrays.

use std::fmt::Write;

use tinytrain_ir::Graph;

use crate::{ExportError, archive, head_of};

/// An array in the format of numpy, version 1.0.
fn npy(kind: &str, shape: &[usize], data: Vec<u8>) -> Vec<u8> {
    let mut sizes = String::new();
    shape.iter().for_each(|n| write!(sizes, "{n},").expect("a string takes everything"));
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Magic, version and length of the header take 10 bytes; the data begin at a multiple of 64, after a line feed.
    let padding = " ".repeat(63 - (10 + header.len()) % 64);
    let header = format!("{header}{padding}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.into_bytes());
    file.extend(data);
    file
}

/// The weights of a graph with a head, as an `.npz`: for each convolution `N`, `convN.weights` (int8, OHWI; HWC of a depthwise one), `convN.bias` (int32),
/// `convN.weight_scales` (float64, one per output channel) and `convN.input_scale`; `head.weights` (int16, `[class][feature]`, 13 fraction bits),
/// `head.bias` (int32, in units of `head.input_scale` times 2^-13), `head.input_scale`; `classes`. A real weight is `weights * weight_scales`, a real bias
/// `bias * weight_scales * input_scale`.
///
/// # Errors
/// A graph without a head.
pub fn npz(graph: &Graph, classes: &[String]) -> Result<Vec<u8>, ExportError> {
    let (head, rows) = head_of(graph)?;
    let mut files = Vec::new();
    let mut put = |name: String, content| files.push((format!("{name}.npy"), content));
    let real = |v: f64| npy("<f8", &[], v.to_le_bytes().to_vec());
    for (i, layer) in graph.layers.iter().enumerate() {
        let g = &layer.geo;
        let [kh, kw, in_c, out_c] = [g.kh, g.kw, g.in_c, g.out_c].map(|n| n as usize);
        let shape = if layer.depthwise { vec![kh, kw, out_c] } else { vec![out_c, kh, kw, in_c] };
        put(format!("conv{i}.weights"), npy("|i1", &shape, layer.weights.iter().map(|&w| w as u8).collect()));
        put(format!("conv{i}.bias"), npy("<i4", &[out_c], layer.bias.iter().flat_map(|b| b.to_le_bytes()).collect()));
        let scales = layer.w_scales.iter().flat_map(|s| s.to_le_bytes()).collect();
        put(format!("conv{i}.weight_scales"), npy("<f8", &[out_c], scales));
        put(format!("conv{i}.input_scale"), real(layer.x_scale));
    }
    let (count, features) = (rows.len(), rows[0].weights.len());
    let weights = rows.iter().flat_map(|r| r.weights.iter().flat_map(|w| w.to_le_bytes())).collect();
    put("head.weights".into(), npy("<i2", &[count, features], weights));
    put("head.bias".into(), npy("<i4", &[count], rows.iter().flat_map(|r| r.bias.to_le_bytes()).collect()));
    put("head.input_scale".into(), real(head.quant.scale));
    let longest = classes.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(1);
    let padded =
        |name: &String| name.chars().map(u32::from).chain(std::iter::repeat(0)).take(longest).collect::<Vec<_>>();
    let text = classes.iter().flat_map(padded).flat_map(u32::to_le_bytes).collect();
    put("classes".into(), npy(&format!("<U{longest}"), &[classes.len()], text));
    let mut bytes = Vec::new();
    archive::append(&mut bytes, &files);
    Ok(bytes)
}
