use std::fmt::Write;

use crate::{Graph, Kind, TensorId};

impl Graph {
    /// The graph as text, one node per line, for `inspect --stage`.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        for (n, node) in self.nodes.iter().enumerate() {
            let list = |ts: &[TensorId]| ts.iter().map(|t| self.describe(*t)).collect::<Vec<_>>().join(", ");
            let layer = node.op.layer().map_or(String::new(), |l| {
                let l = self.layer(l);
                let g = &l.geo;
                format!(" [{}{}x{}/{}]", if l.depthwise { "dw " } else { "" }, g.kh, g.kw, g.stride_h)
            });
            let _ = writeln!(
                out,
                "{n:4}  {:<18}{:<12} {} -> {}",
                node.op.name(),
                node.op.layer().map_or(String::new(), |l| format!("conv {}", l.0)) + &layer,
                list(&node.inputs),
                list(&node.outputs)
            );
        }
        out
    }

    fn describe(&self, id: TensorId) -> String {
        let t = self.tensor(id);
        let kind = match t.kind {
            Kind::Activation(_) => String::new(),
            Kind::Mask => " mask".into(),
            Kind::Gradient(wrt) => match self.exponents.get(&wrt) {
                Some(e) => format!(" grad 2^{e}"),
                None => " grad".into(),
            },
            Kind::Error => " error".into(),
            Kind::Sums => " int32".into(),
        };
        format!("%{} {}{kind}", id.0, t.shape)
    }
}
