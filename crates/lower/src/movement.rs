//! Ops that only move bytes: PAD, CONCATENATION and their gradients.

use tinytrain_ir::{Movement, Shape};
use tinytrain_spec::kernels::*;
use tinytrain_spec::params::{CopyParams, FillParams};

use crate::LowerError;
use crate::blocks::Draft::Tensor;
use crate::lower::Lowering;

/// Copies a box: to where it begins in `to`, from where it begins in `from`.
fn copy(size: Shape, (from, from_at): (Shape, [usize; 3]), (to, to_at): (Shape, [usize; 3]), shift: i32) -> CopyParams {
    let first = |s: Shape, at: [usize; 3]| ((at[0] * s.w + at[1]) * s.c + at[2]) as i32;
    CopyParams {
        h: size.h as i32,
        w: size.w as i32,
        c: size.c as i32,
        src_offset: first(from, from_at),
        src_row: (from.w * from.c) as i32,
        src_col: from.c as i32,
        dst_offset: first(to, to_at),
        dst_row: (to.w * to.c) as i32,
        dst_col: to.c as i32,
        shift,
    }
}

impl Lowering<'_> {
    /// Fills the output with the zero point, then copies the input into it.
    pub fn pad(&mut self, n: usize, top: usize, left: usize) {
        let (x, y) = (self.graph.nodes[n].inputs[0], self.graph.nodes[n].outputs[0]);
        let (from, to) = (self.graph.tensor(x).shape, self.graph.tensor(y).shape);
        let value = self.graph.tensor(y).quant().map_or(0, |q| q.zero);
        let dst = self.blocks.define(y);
        self.blocks.step(n, Call::Fill(Fill { p: FillParams { n: to.len() as i32, value }, dst }));
        let p = copy(from, (from, [0; 3]), (to, [top, left, 0]), 0);
        self.blocks.step(n, Call::CopyBox(CopyBox { p, src: Tensor(x), dst }));
    }

    /// Copies the inputs one behind the other along `axis`.
    pub fn concat(&mut self, n: usize, axis: usize) {
        let y = self.graph.nodes[n].outputs[0];
        let to = self.graph.tensor(y).shape;
        let dst = self.blocks.define(y);
        let mut at = [0usize; 3];
        for &x in &self.graph.nodes[n].inputs {
            let from = self.graph.tensor(x).shape;
            let p = copy(from, (from, [0; 3]), (to, at), 0);
            self.blocks.step(n, Call::CopyBox(CopyBox { p, src: Tensor(x), dst }));
            at[axis] += [from.h, from.w, from.c][axis];
        }
    }

    /// Copies boxes to their places; what none of them writes is the zero point, or 0 in a gradient.
    pub fn moved(&mut self, n: usize, movement: &Movement, shift: i32) {
        let (x, y) = (self.graph.nodes[n].inputs[0], self.graph.nodes[n].outputs[0]);
        let to = self.graph.tensor(y);
        let (len, value) = (to.shape.len(), to.quant().map_or(0, |q| q.zero));
        let dst = self.blocks.define(y);
        if movement.written() < len {
            self.blocks.step(n, Call::Fill(Fill { p: FillParams { n: len as i32, value }, dst }));
        }
        for moved in &movement.boxes {
            let p = CopyParams {
                h: moved.size.h as i32,
                w: moved.size.w as i32,
                c: moved.size.c as i32,
                src_offset: moved.from.first as i32,
                src_row: moved.from.row as i32,
                src_col: moved.from.column as i32,
                dst_offset: moved.to.first as i32,
                dst_row: moved.to.row as i32,
                dst_col: moved.to.column as i32,
                shift,
            };
            self.blocks.step(n, Call::CopyBox(CopyBox { p, src: Tensor(x), dst }));
        }
    }

    /// The gradient of both: the box of `g` that an input became.
    pub fn crop(&mut self, n: usize, at: [usize; 3]) -> Result<(), LowerError> {
        let (g, gx) = (self.graph.nodes[n].inputs[0], self.graph.nodes[n].outputs[0]);
        let (from, to) = (self.graph.tensor(g).shape, self.graph.tensor(gx).shape);
        let p = copy(to, (from, at), (to, [0; 3]), self.exponent_shift(g, gx)?);
        let dst = self.blocks.define(gx);
        self.blocks.step(n, Call::CopyBox(CopyBox { p, src: Tensor(g), dst }));
        Ok(())
    }
}
