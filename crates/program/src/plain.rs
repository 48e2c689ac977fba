//! A Program without formats that only the device's kernels read: for runtimes that have an order of their own.

use std::collections::BTreeMap;

use tinytrain_spec::kernels::{Call, Conv, ConvInputGrad};
use tinytrain_spec::packed;
use tinytrain_spec::params::ConvParams;

use crate::{Const, Data, Operand, Program, Step};

/// Constants as they come to be, by the constants that they stand for.
struct Plain<'p> {
    consts: &'p [Const],
    steps: &'p [Step],
    more: Vec<Const>,
    known: BTreeMap<usize, Option<usize>>,
}

impl Plain<'_> {
    /// The int8 weights of frozen channels; none where every channel is trained.
    fn frozen(
        &mut self,
        words: Option<Operand>,
        channels: Option<Operand>,
        p: &ConvParams,
        unpack: impl Fn(&[u32], usize) -> Option<Vec<i8>>,
    ) -> Option<Operand> {
        let Some(Operand::Constant(at)) = words else { return None };
        let k = p.in_c as usize;
        let Self { consts, more, known, .. } = self;
        let made = known.entry(at).or_insert_with(|| {
            let data = |o: Option<Operand>| match o {
                Some(Operand::Constant(i)) => Some(&consts[i].data),
                _ => None,
            };
            let trained = data(channels).and_then(Data::elements::<u16>).unwrap_or_default();
            let weights = unpack(data(words)?.elements()?, k)?;
            let own = |&(i, _): &(usize, i8)| trained.binary_search(&((i % k) as u16)).is_err();
            let frozen = weights.into_iter().enumerate().filter(own).map(|(_, w)| w).collect();
            more.push(Const { name: format!("{}_int8", consts[at].name), data: Data::I8(frozen) });
            Some(consts.len() + more.len() - 1)
        });
        made.map(Operand::Constant)
    }

    /// The channels of a depthwise convolution's trained weights, which are all: those that its weight step names.
    fn channels(&mut self, p: &ConvParams, trained: Option<Operand>) -> Option<Operand> {
        let weights = trained?;
        let named = self.steps.iter().find_map(|s| match &s.call {
            Call::DepthwiseWeightStep(c) if c.q == weights => c.channels,
            _ => None,
        });
        named.or_else(|| {
            let at = self.consts.len() + self.more.len();
            let data = Data::U16((0..=u16::MAX).take(p.out_c as usize).collect());
            self.more.push(Const { name: format!("channels{at}"), data });
            Some(Operand::Constant(at))
        })
    }

    fn call(&mut self, call: &Call<Operand>) -> Option<Call<Operand>> {
        let conv = |p, x, frozen, trained, channels, bias, offset, m, y, mask, scratch| {
            Call::Conv(Conv { p, x, frozen, trained, channels, bias, offset, m, shift: None, y, mask, scratch })
        };
        match call.clone() {
            Call::Pointwise(c) => {
                let frozen = self.frozen(c.packed, c.channels, &c.p, packed::unpack);
                Some(conv(c.p, c.x, frozen, c.trained, c.channels, c.bias, c.offset, c.m, c.y, c.mask, c.scratch))
            }
            Call::PointwiseWide(c) => {
                let frozen = self.frozen(Some(c.wide), None, &c.p, packed::narrow);
                Some(conv(c.p, c.x, frozen, None, None, c.bias, c.offset, c.m, c.y, None, c.scratch))
            }
            Call::Window(c) => {
                let [kh, run] = [c.p.kh, c.p.kw * c.p.in_c].map(|n| n as usize);
                let frozen = self.frozen(Some(c.wide), None, &c.p, |words, _| packed::unwindow(words, kh, run));
                Some(conv(c.p, c.x, frozen, None, None, c.bias, c.offset, c.m, c.y, None, c.scratch))
            }
            Call::PointwiseInputGrad(c) => {
                let frozen = self.frozen(c.packed, c.channels, &c.p, packed::unpack);
                Some(Call::ConvInputGrad(ConvInputGrad {
                    p: c.p,
                    shift: c.shift,
                    g: c.g,
                    frozen,
                    trained: c.trained,
                    channels: c.channels,
                    gx: c.gx,
                    scratch: c.scratch,
                }))
            }
            Call::DepthwiseSquare(c) => Some(Call::Depthwise(Conv {
                p: c.p,
                x: c.x,
                frozen: c.frozen,
                trained: c.trained,
                channels: self.channels(&c.p, c.trained),
                bias: c.bias,
                offset: c.offset,
                m: c.m,
                shift: None,
                y: c.y,
                mask: c.mask,
                scratch: c.scratch,
            })),
            Call::DepthwiseSquareInputGrad(c) => Some(Call::DepthwiseInputGrad(ConvInputGrad {
                p: c.p,
                shift: c.shift,
                g: c.g,
                frozen: c.frozen,
                trained: c.trained,
                channels: self.channels(&c.p, c.trained),
                gx: c.gx,
                scratch: c.scratch,
            })),
            _ => None,
        }
    }
}

impl Program {
    /// The same Program, every convolution a call of the general kernels over int8 weights: the same bits in the same places. It must have been verified.
    /// What scratch it names is that of the kernels it stands for.
    pub fn plain(&self) -> Self {
        let mut plain = Plain { consts: &self.consts, steps: &self.steps, more: Vec::new(), known: BTreeMap::new() };
        let calls: Vec<_> = self.steps.iter().map(|s| plain.call(&s.call)).collect();
        let more = plain.more;
        let mut program = self.clone();
        for (step, call) in program.steps.iter_mut().zip(calls) {
            if let Some(call) = call {
                step.call = call;
            }
        }
        program.consts.extend(more);
        program
    }
}
