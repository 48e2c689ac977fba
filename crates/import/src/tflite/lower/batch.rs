//! Batches inside a model: SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND, between which a convolution is dilated. The graph has
//! no batch; it lays the images one below the other. A convolution without padding then yields the rows of every image,
//! and between them rows across two images, which nothing reads.

use tinytrain_ir::{MovedBox, Movement, Shape, Steps, TensorId};

use super::{Layout, Lowering, MAX_ELEMENTS, MAX_STEP, Site, Value, missing_options};
use crate::error::{Fault, malformed, unsupported};
use crate::tflite::file::Op;
use tinytrain_tflite::OptionsRef;

/// Images one below the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Batch {
    images: usize,
    /// Rows from an image to the next.
    pitch: usize,
    /// Rows of an image; those up to the next one mean nothing.
    rows: usize,
}

impl<'a> Lowering<'a> {
    /// Every `block`th row and column of `x`, padded to `padded` rows and columns, as an image for each place in a block.
    pub(super) fn stack(
        &mut self,
        x: TensorId,
        block: [usize; 2],
        pad: [usize; 2],
        padded: [usize; 2],
    ) -> Result<(TensorId, Batch), Fault> {
        let xs = self.builder.shape(x);
        let size: [usize; 2] = std::array::from_fn(|k| padded[k].div_ceil(block[k]));
        let images = block[0] * block[1];
        if images.saturating_mul(size[0]).saturating_mul(size[1]).saturating_mul(xs.c) > MAX_ELEMENTS {
            return unsupported(format!("a batch of {images} images of {}x{}x{}", size[0], size[1], xs.c));
        }
        let stacked = Shape::new(images * size[0], size[1], xs.c);
        let mut boxes = Vec::new();
        for image in 0..images {
            let place = [image / block[1], image % block[1]];
            // Elements u with 0 <= u * block + place - pad < n.
            let range = |k: usize, n: usize| {
                let first = pad[k].saturating_sub(place[k]).div_ceil(block[k]);
                let end = (n + pad[k]).saturating_sub(place[k]).div_ceil(block[k]).min(size[k]);
                (first, end.saturating_sub(first))
            };
            let ((u, rows), (v, columns)) = (range(0, xs.h), range(1, xs.w));
            if rows == 0 || columns == 0 {
                continue;
            }
            let at = [u * block[0] + place[0] - pad[0], v * block[1] + place[1] - pad[1], 0];
            boxes.push(MovedBox {
                size: Shape::new(rows, columns, xs.c),
                from: Steps::every(xs, at, block),
                to: Steps::dense(stacked, [image * size[0] + u, v, 0]),
            });
        }
        let y = self.builder.movement(x, Movement { name: "SPACE_TO_BATCH_ND", boxes, repeats: false }, stacked)?;
        Ok((y, Batch { images, pitch: size[0], rows: size[0] }))
    }

    /// The images of a batch interleaved again, without the first `crop` rows and columns; `out` rows and columns.
    pub(super) fn unstack(
        &mut self,
        x: TensorId,
        batch: Batch,
        block: [usize; 2],
        crop: [usize; 2],
        out: [usize; 2],
    ) -> Result<TensorId, Fault> {
        let xs = self.builder.shape(x);
        let (size, ys) = ([batch.rows, xs.w], Shape::new(out[0], out[1], xs.c));
        let mut boxes = Vec::new();
        for image in 0..batch.images {
            let place = [image / block[1], image % block[1]];
            let range = |k: usize| {
                let first = crop[k].saturating_sub(place[k]).div_ceil(block[k]);
                let end = (out[k] + crop[k]).saturating_sub(place[k]).div_ceil(block[k]).min(size[k]);
                (first, end.saturating_sub(first))
            };
            let ((u, rows), (v, columns)) = (range(0), range(1));
            if rows == 0 || columns == 0 {
                continue;
            }
            let at = [u * block[0] + place[0] - crop[0], v * block[1] + place[1] - crop[1], 0];
            boxes.push(MovedBox {
                size: Shape::new(rows, columns, xs.c),
                from: Steps::dense(xs, [image * batch.pitch + u, v, 0]),
                to: Steps::every(ys, at, block),
            });
        }
        let movement = Movement { name: "BATCH_TO_SPACE_ND", boxes, repeats: false };
        if movement.written() != ys.len() {
            return malformed(format!("its batch of {}x{} does not fill {ys}", batch.rows, xs.w));
        }
        Ok(self.builder.movement(x, movement, ys)?)
    }

    /// Rows and columns of a block, and what is padded or cropped before them and behind.
    fn block(&self, op: &Op<'_>, rank: usize) -> Result<([usize; 2], [[usize; 2]; 2]), Fault> {
        let (Some((block, _)), Some((edges, _))) =
            (self.integers(op, 1, "block shape")?, self.integers(op, 2, "edges")?)
        else {
            return malformed("it has no block shape or no edges");
        };
        let small = |v: &i64| (0..=i64::from(MAX_STEP)).contains(v);
        let spatial = block.len();
        let fits = (spatial == 1 && rank == 3) || (spatial == 2 && rank == 4);
        if !fits || edges.len() != 2 * spatial || !block.iter().chain(&edges).all(small) || block.contains(&0) {
            return unsupported(format!("a block of {block:?} with edges {edges:?} on {rank} dimensions"));
        }
        let pair = |k: usize| [edges[2 * k] as usize, edges[2 * k + 1] as usize];
        Ok(match spatial {
            1 => ([1, block[0] as usize], [[0, 0], pair(0)]),
            _ => ([block[0] as usize, block[1] as usize], [pair(0), pair(1)]),
        })
    }

    pub(super) fn space_to_batch(&mut self, index: usize, op: &'a Op<'a>, y: usize) -> Result<Value, Fault> {
        let x = self.input(op, 0)?;
        let (block, edges) = self.block(op, self.rank(op))?;
        let xs = self.builder.shape(x);
        let padded = [xs.h + edges[0][0] + edges[0][1], xs.w + edges[1][0] + edges[1][1]];
        if block[0] * block[1] > 64 || !padded[0].is_multiple_of(block[0]) || !padded[1].is_multiple_of(block[1]) {
            return unsupported(format!("SPACE_TO_BATCH_ND of {}x{} in blocks of {block:?}", padded[0], padded[1]));
        }
        self.builder.origin(index, None);
        let (id, batch) = self.stack(x, block, [edges[0][0], edges[1][0]], padded)?;
        self.check_batch(y, id, batch)?;
        Ok(Value { id, layout: Layout::Batch(batch) })
    }

    /// Checks the file's description of a batch.
    fn check_batch(&self, y: usize, id: TensorId, batch: Batch) -> Result<(), Fault> {
        let (declared, quant) = self.file.activation_of(y, batch.images)?;
        let shape = self.builder.shape(id);
        if declared != Shape::new(batch.rows, shape.w, shape.c) {
            return malformed(format!("its output is declared as {declared}, but its parameters imply {shape}"));
        }
        match quant == self.builder.quant(id) {
            true => Ok(()),
            false => unsupported(format!("its output, tensor {y}, is quantised differently from its input")),
        }
    }

    /// An operator that reads a batch.
    pub(super) fn batched(&mut self, name: &str, index: usize, op: &'a Op<'a>, y: usize) -> Result<Value, Fault> {
        let Some(&Some(t)) = op.inputs.first() else { return malformed("its input 0 is missing") };
        let value = self.value(t)?;
        let Some(batch) = value.batch() else { return unsupported(format!("{name} with a batch is not supported")) };
        self.builder.origin(index, None);
        match name {
            // Dimensions of one element come and go: a row of an image may be a dimension or not.
            "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS" => {
                self.check_batch(y, value.id, batch)?;
                Ok(value)
            }
            "CONV_2D" | "DEPTHWISE_CONV_2D" => {
                let (shape, quant) = self.file.activation_of(y, batch.images)?;
                let site = Site { index, op, y, shape, quant };
                let kernel = self.kernel(op)?;
                if !self.moves_by_one(op)? || kernel[0] > batch.rows {
                    return unsupported("a convolution of a batch with padding or a stride is not supported");
                }
                let id = self.conv_of_stack(name, &site, value.id)?;
                let batch = Batch { rows: batch.rows - (kernel[0] - 1), ..batch };
                self.check_batch(y, id, batch)?;
                Ok(Value { id, layout: Layout::Batch(batch) })
            }
            "BATCH_TO_SPACE_ND" => {
                let (block, edges) = self.block(op, self.file.tensors[t].dims.len())?;
                let site = self.site(index, op, y)?;
                let quant = self.builder.quant(value.id);
                if block[0] * block[1] != batch.images || quant != site.quant {
                    return malformed(format!("it makes blocks of {block:?} from {} images", batch.images));
                }
                let crop = [edges[0][0], edges[1][0]];
                Ok(self.unstack(value.id, batch, block, crop, [site.shape.h, site.shape.w])?.into())
            }
            _ => unsupported(format!("{name} with a batch is not supported")),
        }
    }

    /// Rows and columns of a convolution's kernel.
    fn kernel(&self, op: &Op<'_>) -> Result<[usize; 2], Fault> {
        let dims = op.inputs.get(1).copied().flatten().map(|t| &self.file.tensors[t].dims[..]);
        match dims {
            Some(&[_, h, w, _]) if h >= 1 && w >= 1 => Ok([h as usize, w as usize]),
            other => malformed(format!("its weights have the shape {other:?}")),
        }
    }

    /// Whether a convolution has no stride, no dilation and no padding.
    fn moves_by_one(&self, op: &Op<'_>) -> Result<bool, Fault> {
        let (padding, steps) = match op.options {
            Some(OptionsRef::Conv(o)) => {
                (o.padding()?, [o.stride_h()?, o.stride_w()?, o.dilation_h()?, o.dilation_w()?])
            }
            Some(OptionsRef::DepthwiseConv(o)) => {
                (o.padding()?, [o.stride_h()?, o.stride_w()?, o.dilation_h()?, o.dilation_w()?])
            }
            _ => return missing_options(),
        };
        let unpadded = padding == 1 || self.kernel(op)? == [1, 1];
        Ok(unpadded && steps == [1; 4])
    }
}
