//! After planning: which kernel runs each step on the device, in which order its weights lie in flash, and how much of what the arena has free at that
//! step it gets as scratch. Nothing here changes a bit of any result.

use std::collections::BTreeMap;
use std::ops::Range;

use tinytrain_program::{self as program, Data, Operand, Placed, Program, Purpose, Region, Slot};
use tinytrain_spec::kernels::*;
use tinytrain_spec::packed;
use tinytrain_spec::params::ConvParams;

use crate::place::ALIGN;

/// Wide weights save an instruction for every 16 products and some for every output; what they must save for a byte of flash.
const SAVED_PER_BYTE: i64 = 4;

/// The order of a convolution's weights.
#[derive(Clone, Copy, PartialEq)]
enum Format {
    Packed,
    Wide,
    Window,
}

/// Chooses kernels and weights' formats for the steps of a planned Program, and shares out what its arena leaves free.
pub fn fit(program: &mut Program) {
    let free: Vec<Vec<Range<u32>>> = (0..program.steps.len()).map(|step| free(program, step)).collect();
    let calls = same_calls(program);
    let mut room = vec![0; program.steps.len()];
    for steps in &calls {
        let bytes = steps.iter().map(|&i| largest(&free[i]).len() as u32).min().unwrap_or(0);
        steps.iter().for_each(|&i| room[i] = bytes);
    }
    for (weights, steps) in convolutions(program) {
        let format = [Format::Wide, Format::Packed, Format::Window].into_iter().find_map(|f| {
            let calls: Option<Vec<_>> = steps.iter().map(|&i| converted(&program.steps[i].call, f, room[i])).collect();
            calls.filter(|_| suits(program, &steps, f)).map(|calls| (f, calls))
        });
        let Some((format, calls)) = format else { continue };
        if let Some(Operand::Constant(at)) = weights.0 {
            let data = words(program, steps[0], format);
            program.consts[at].data = Data::U32(data);
        }
        for (i, call) in steps.into_iter().zip(calls) {
            program.steps[i].call = call;
        }
    }
    for (step, &room) in program.steps.iter_mut().zip(&room) {
        if let Some(call) = square(&step.call, room) {
            step.call = call;
        }
    }
    program.buffers.retain(|b| b.purpose != Purpose::Scratch);
    for steps in calls {
        let rooms = || steps.iter().filter_map(|&i| program.steps[i].call.room());
        let Some(most) = rooms().map(|r| r.most).max() else { continue };
        let bytes = most.min(room[steps[0]]);
        let mut at = largest(&free[steps[0]]).start;
        for i in steps {
            // Where it was, if it can stay there.
            if !free[i].iter().any(|f| f.start <= at && at + bytes <= f.end) {
                at = largest(&free[i]).start;
            }
            let slot = Slot { region: Region::Arena, offset: at, bytes };
            program.steps[i].call.set_scratch(&mut |_| Operand::Memory(slot));
            scratch_at(&mut program.buffers, slot, i as u32);
        }
    }
}

/// Steps with equally much scratch: those over rows that differ in their numbers only, which are one loop on the device; others are alone.
fn same_calls(program: &Program) -> Vec<Vec<usize>> {
    let mut found: BTreeMap<(usize, &str, &str), Vec<usize>> = BTreeMap::new();
    for (i, step) in program.steps.iter().enumerate() {
        let run = program.streams.iter().find(|s| s.contains(&i));
        let key = match run {
            Some(run) => (run.start, step.label.as_str(), step.call.kernel().spec().c),
            None => (i, "", ""),
        };
        found.entry(key).or_default().push(i);
    }
    found.into_values().collect()
}

/// What of the arena holds nothing during a step, but that step's own scratch.
fn free(program: &Program, step: usize) -> Vec<Range<u32>> {
    let live = |b: &Placed| {
        let live = b.live(step);
        (b.purpose != Purpose::Scratch && !live.is_empty()).then_some((b.offset + live.start, b.offset + live.end))
    };
    let mut used: Vec<(u32, u32)> = program.buffers.iter().filter_map(live).collect();
    used.push((program.arena_bytes, program.arena_bytes));
    used.sort_unstable();
    let mut from = 0u32;
    let mut free = Vec::new();
    for (start, end) in used {
        if start > from {
            free.push(from..start);
        }
        from = from.max(end.next_multiple_of(ALIGN));
    }
    free
}

fn largest(free: &[Range<u32>]) -> Range<u32> {
    free.iter().rev().max_by_key(|f| f.len()).cloned().unwrap_or_default()
}

/// Notes scratch of a step among the buffers.
fn scratch_at(buffers: &mut Vec<Placed>, slot: Slot, step: u32) {
    let used = program::Window { start: step, end: step + 1, lo: 0, hi: slot.bytes };
    let same = |b: &&mut Placed| b.purpose == Purpose::Scratch && (b.offset, b.size) == (slot.offset, slot.bytes);
    match buffers.iter_mut().find(same) {
        // Steps come in order within a call, but not from one call to the next.
        Some(buffer) if buffer.windows.last().is_some_and(|w| w.end <= step) => {
            let last = buffer.windows.last().map_or(step, |w| w.end);
            if last < step {
                buffer.windows.push(program::Window { start: last, end: step, lo: 0, hi: 0 });
            }
            buffer.windows.push(used);
        }
        _ => buffers.push(Placed {
            label: "scratch".into(),
            purpose: Purpose::Scratch,
            size: slot.bytes,
            offset: slot.offset,
            windows: vec![used],
        }),
    }
}

/// Frozen and trained weights of a convolution.
type Weights = (Option<Operand>, Option<Operand>);

/// The steps that multiply with each convolution's weights.
fn convolutions(program: &Program) -> Vec<(Weights, Vec<usize>)> {
    let mut found: BTreeMap<[u32; 2], (Weights, Vec<usize>)> = BTreeMap::new();
    for (i, step) in program.steps.iter().enumerate() {
        let weights = match &step.call {
            Call::Conv(c) => (c.frozen, c.trained),
            Call::ConvInputGrad(c) => (c.frozen, c.trained),
            _ => continue,
        };
        let place = |o: Option<Operand>| match o {
            Some(Operand::Constant(at)) => at as u32 + 1,
            Some(Operand::Memory(slot)) => slot.offset + 1,
            None => 0,
        };
        let key = [place(weights.0), place(weights.1)];
        found.entry(key).or_insert((weights, Vec::new())).1.push(i);
    }
    found.into_values().collect()
}

/// Bytes of scratch from which on a kernel for the call's shape can run; none where it has the shape of no such kernel.
pub fn room_for_fast<A: Clone>(call: &Call<A>) -> Option<u32> {
    let formats = [Format::Wide, Format::Packed, Format::Window];
    let fast = formats.into_iter().filter_map(|f| converted(call, f, u32::MAX)).chain(square(call, u32::MAX));
    fast.filter_map(|c| Some(c.room()?.least)).max()
}

/// The call over weights of this format; none where there is no such kernel, or no room for its scratch.
fn converted<A: Clone>(call: &Call<A>, format: Format, room: u32) -> Option<Call<A>> {
    let call = match (call.clone(), format) {
        (Call::Conv(c), Format::Packed) if c.shift.is_none() => {
            let Conv { p, x, frozen: packed, trained, channels, bias, offset, m, y, mask, scratch, .. } = c;
            Call::Pointwise(Pointwise { p, x, packed, trained, channels, bias, offset, m, y, mask, scratch })
        }
        (Call::Conv(c), Format::Wide) if c.shift.is_none() && c.mask.is_none() => {
            let Conv { p, x, frozen, bias, offset, m, y, scratch, .. } = c;
            Call::PointwiseWide(PointwiseWide { p, x, wide: frozen?, bias, offset, m, y, scratch })
        }
        (Call::Conv(c), Format::Window) if c.shift.is_none() && c.mask.is_none() => {
            let Conv { p, x, frozen, bias, offset, m, y, scratch, .. } = c;
            Call::Window(Window { p, x, wide: frozen?, bias, offset, m, y, scratch })
        }
        (Call::ConvInputGrad(c), Format::Packed) => {
            let ConvInputGrad { p, shift, g, frozen: packed, trained, channels, gx, scratch } = c;
            Call::PointwiseInputGrad(PointwiseInputGrad { p, shift, g, packed, trained, channels, gx, scratch })
        }
        _ => return None,
    };
    takes(&call, room).then_some(call)
}

/// A depthwise call of the kernels for square ones; none where they do not take it, or have no room for its scratch.
fn square<A: Clone>(call: &Call<A>, room: u32) -> Option<Call<A>> {
    let call = match call.clone() {
        Call::Depthwise(c) if c.shift.is_none() => {
            let Conv { p, x, frozen, trained, bias, offset, m, y, mask, scratch, .. } = c;
            Call::DepthwiseSquare(DepthwiseSquare { p, x, frozen, trained, bias, offset, m, y, mask, scratch })
        }
        Call::DepthwiseInputGrad(ConvInputGrad { p, shift, g, frozen, trained, gx, scratch, .. }) => {
            Call::DepthwiseSquareInputGrad(DepthwiseSquareInputGrad { p, shift, g, frozen, trained, gx, scratch })
        }
        _ => return None,
    };
    takes(&call, room).then_some(call)
}

/// Whether the kernel is defined for the call and has room enough.
fn takes<A>(call: &Call<A>, room: u32) -> bool {
    call.check().is_ok() && call.room().is_none_or(|r| r.least <= room)
}

/// Whether the weights may take this format, and whether it pays.
fn suits(program: &Program, steps: &[usize], format: Format) -> bool {
    let (p, weights, trained) = whole(program, steps[0]);
    let k = i64::from(p.in_c);
    let made = |i: &usize| match &program.steps[*i].call {
        Call::Conv(c) => i64::from(c.p.out_h) * i64::from(c.p.out_w),
        _ => 0,
    };
    let pixels: i64 = steps.iter().map(made).sum();
    match format {
        Format::Wide => pixels * (k + 16) >= SAVED_PER_BYTE * 16 * k,
        // What the weights take more is little beside the pixels of a first layer.
        Format::Window => pixels >= 16 * SAVED_PER_BYTE,
        Format::Packed => program.packs(&p, &weights, trained),
    }
}

fn words(program: &Program, step: usize, format: Format) -> Vec<u32> {
    let (p, weights, _) = whole(program, step);
    match format {
        Format::Wide => packed::widen(&weights, p.in_c as usize),
        Format::Window => packed::window(&weights, p.kh as usize, (p.kw * p.in_c) as usize),
        Format::Packed => packed::pack(&weights, p.in_c as usize),
    }
}

/// All rows of a convolution's weights, with zeros for trained ones, and where those are.
fn whole(program: &Program, step: usize) -> (ConvParams, Vec<i8>, Option<Operand>) {
    let (p, frozen, trained, channels) = match &program.steps[step].call {
        Call::Conv(c) => (c.p, c.frozen, c.trained, c.channels),
        Call::ConvInputGrad(c) => (c.p, c.frozen, c.trained, c.channels),
        _ => unreachable!("steps with the weights of a convolution"),
    };
    let data = |o: Option<Operand>| match o {
        Some(Operand::Constant(at)) => Some(&program.consts[at].data),
        _ => None,
    };
    let row = (p.kh * p.kw * p.in_c) as usize;
    if p.trained == p.in_c {
        return (p, vec![0; row * p.out_c as usize], trained);
    }
    let channels = data(channels).and_then(Data::elements::<u16>).unwrap_or_default();
    let mut frozen = data(frozen).and_then(Data::elements::<i8>).unwrap_or_default().iter().copied();
    let place = |i: usize| channels.binary_search(&((i % p.in_c as usize) as u16)).is_ok();
    let all = (0..row * p.out_c as usize).map(|i| if place(i) { 0 } else { frozen.next().unwrap_or(0) });
    (p, all.collect(), trained)
}
