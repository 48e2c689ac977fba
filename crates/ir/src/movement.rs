//! Elements at other places: slices, transpositions, enlargement.

use std::sync::Arc;

use crate::{GraphBuilder, IrError, MovedBox, Movement, Op, Shape, Steps, TensorId};

/// Most boxes of a movement: each is a call of a kernel.
const MOST_BOXES: usize = 64;

impl Steps {
    /// Every `step`th row and column of a tensor of this shape, from `at` on.
    pub fn every(shape: Shape, at: [usize; 3], step: [usize; 2]) -> Self {
        let row = shape.w * shape.c;
        Self { first: at[0] * row + at[1] * shape.c + at[2], row: step[0] * row, column: step[1] * shape.c }
    }

    /// The box at `at`.
    pub fn dense(shape: Shape, at: [usize; 3]) -> Self {
        Self::every(shape, at, [1, 1])
    }

    /// One past the last element of a box.
    fn end(&self, size: Shape) -> usize {
        self.first + (size.h - 1) * self.row + (size.w - 1) * self.column + size.c
    }
}

impl Movement {
    /// Whether it leads from a tensor of the one shape to one of the other.
    pub(crate) fn check(&self, x: Shape, y: Shape) -> Result<(), String> {
        let inside = |b: &MovedBox| !b.size.is_empty() && b.from.end(b.size) <= x.len() && b.to.end(b.size) <= y.len();
        match self.boxes.iter().all(inside) && self.written() <= y.len() && !self.boxes.is_empty() {
            true => Ok(()),
            false => Err(format!("moves a box outside {x} or {y}")),
        }
    }
}

impl GraphBuilder {
    /// Elements of `x` at other places of a tensor of shape `y`.
    pub fn movement(&mut self, x: TensorId, movement: Movement, y: Shape) -> Result<TensorId, IrError> {
        if movement.boxes.len() > MOST_BOXES {
            return Err(self.unsupported(format!(
                "{} that takes {} copies of boxes; at most {MOST_BOXES} are supported",
                movement.name,
                movement.boxes.len()
            )));
        }
        let q = self.quant(x);
        self.push(Op::Move(Arc::new(movement)), vec![x], y, q)
    }

    /// Every `step`th row and column of the box of `size` elements that begins at `at`.
    pub fn slice(
        &mut self,
        x: TensorId,
        name: &'static str,
        at: [usize; 3],
        size: Shape,
        step: [usize; 2],
    ) -> Result<TensorId, IrError> {
        let from = Steps::every(self.shape(x), at, step);
        let boxes = vec![MovedBox { size, from, to: Steps::dense(size, [0; 3]) }];
        self.movement(x, Movement { name, boxes, repeats: false }, size)
    }

    /// Every pixel `factor` times downwards and to the right.
    pub fn enlarge(&mut self, x: TensorId, name: &'static str, factor: [usize; 2]) -> Result<TensorId, IrError> {
        let xs = self.shape(x);
        let y = Shape::new(xs.h * factor[0], xs.w * factor[1], xs.c);
        let places = (0..factor[0]).flat_map(|i| (0..factor[1]).map(move |j| [i, j, 0]));
        let from = Steps::dense(xs, [0; 3]);
        let boxes = places.map(|at| MovedBox { size: xs, from, to: Steps::every(y, at, factor) }).collect();
        self.movement(x, Movement { name, boxes, repeats: true }, y)
    }

    /// The axes rows, columns, channels in another order: axis `k` of the result is axis `order[k]` of `x`.
    pub fn transposed(&mut self, x: TensorId, order: [usize; 3]) -> Result<TensorId, IrError> {
        let xs = self.shape(x);
        let dims = [xs.h, xs.w, xs.c];
        let strides = [xs.w * xs.c, xs.c, 1];
        let y = Shape::new(dims[order[0]], dims[order[1]], dims[order[2]]);
        let to = [y.w * y.c, y.c, 1];
        let boxes: Vec<MovedBox> = if order[2] == 2 {
            let from = Steps { first: 0, row: strides[order[0]], column: strides[order[1]] };
            vec![MovedBox { size: y, from, to: Steps::dense(y, [0; 3]) }]
        } else {
            // Single elements, in two loops; the shortest axis of the result is the third, one box for each place on it.
            let out = [y.h, y.w, y.c];
            let third = (0..3).min_by_key(|&k| out[k]).unwrap_or(0);
            let [a, b] = [[1, 2], [0, 2], [0, 1]][third];
            let size = Shape::new(out[a], out[b], 1);
            let place = |n: usize| MovedBox {
                size,
                from: Steps { first: n * strides[order[third]], row: strides[order[a]], column: strides[order[b]] },
                to: Steps { first: n * to[third], row: to[a], column: to[b] },
            };
            (0..out[third]).map(place).collect()
        };
        self.movement(x, Movement { name: "TRANSPOSE", boxes, repeats: false }, y)
    }
}
