//! The Program as a file: the same comes back, and whatever else a file may hold is refused or harmless.

mod common;

use std::sync::Arc;

use common::{network_to_feed, network_with_functions, samples};
use tinytrain_compile::Compiler;
use tinytrain_compile::{Feed, ProgramOptions};
use tinytrain_exec::{Executor, Rates, checksum};
use tinytrain_ir::{Graph, Scheme};
use tinytrain_kernels::simd::Kernels;
use tinytrain_program::{Data, FileError, Init, Operand, Program, Region, SamplePlace, SampleRow, Slot, StateKind};
use tinytrain_spec::kernels::{Call, Kernel};
use tinytrain_spec::packed;

const CLASSES: usize = 4;
const SCHEMES: [(&str, u32); 4] =
    [("head", 4), ("full", 2), ("bias:3,2:1/2,4:1/4", 0), ("bias:2,0:1/3,1:1/2,3:1/4", 8)];

fn compiler(seed: u64) -> (Graph, Compiler) {
    let g = network_with_functions(seed);
    let c = Compiler::new(&g, CLASSES, seed, &samples(&g, 6, CLASSES, seed), 2).unwrap();
    (g, c)
}

fn program(c: &Compiler, scheme: &str, bits: u32) -> Program {
    c.compile(&Scheme::parse(scheme, c.layers()).unwrap(), ProgramOptions::of(bits), 8).unwrap()
}

fn programs() -> Vec<(Graph, Program)> {
    let of = |seed| {
        let (g, c) = compiler(seed);
        SCHEMES.map(|(scheme, bits)| (g.clone(), program(&c, scheme, bits)))
    };
    let (g, c) = compiler(2);
    let options = ProgramOptions { replay: 3, ..ProgramOptions::of(4) };
    let replaying = c.compile(&Scheme::parse("bias:2,3:1/3", c.layers()).unwrap(), options, 8).unwrap();
    (1..=4).flat_map(of).chain([(g, replaying)]).collect()
}

fn trained(program: Program, g: &Graph, kernels: Kernels) -> String {
    let mut e = Executor::with_kernels(Arc::new(program), kernels).unwrap();
    for (sample, label) in samples(g, 3, CLASSES, 9) {
        e.train_step(&sample, label, Rates::both(0.02)).unwrap();
    }
    checksum(e.state())
}

#[test]
fn what_is_written_comes_back() {
    for (g, program) in programs() {
        let file = program.to_bytes();
        let read = Program::from_bytes(&file).unwrap();
        assert!(read == program, "{} {}", program.name, program.scheme);
        assert_eq!(read.hash(), program.hash());
        assert_eq!(read.to_bytes(), file);
        assert_eq!(trained(read, &g, Kernels::best()), trained(program, &g, Kernels::best()));
    }
}

#[test]
fn a_file_that_was_cut_or_changed_is_refused() {
    let (_, program) = programs().swap_remove(1);
    let file = program.to_bytes();
    for n in 0..file.len() {
        let e = Program::from_bytes(&file[..n]).unwrap_err();
        assert_eq!(e.code(), "PROGRAM_BROKEN", "{n}: {e}");
    }
    for i in 0..file.len() {
        for bit in [0, 3, 7] {
            let mut changed = file.clone();
            changed[i] ^= 1 << bit;
            let e = Program::from_bytes(&changed).unwrap_err();
            let version = (8..16).contains(&i);
            assert_eq!(e.code(), if version { "PROGRAM_VERSION" } else { "PROGRAM_BROKEN" }, "byte {i}: {e}");
        }
    }
    let mut longer = file.clone();
    longer.push(0);
    assert!(matches!(Program::from_bytes(&longer), Err(FileError::Content { .. })));
    assert!(matches!(Program::from_bytes(b"TFL3 and so on"), Err(FileError::Magic)));
}

/// A change of a Program, and words of the sentence that refuses it.
type Spoiled = (&'static str, fn(&mut Program));

macro_rules! change {
    ($p:ident, $kernel:ident, $c:ident => $do:expr) => {
        for step in &mut $p.steps {
            if let Call::$kernel($c) = &mut step.call {
                $do;
                return;
            }
        }
        panic!("no such step");
    };
}

fn moved(operand: &mut Operand, by: u32) {
    if let Operand::Memory(slot) = operand {
        slot.offset += by;
    }
}

fn whole(p: &mut Program) -> &mut Slot {
    match &mut p.input.place {
        SamplePlace::Whole(slot) => slot,
        SamplePlace::Rows(_) => panic!("a sample that comes in by rows"),
    }
}

fn rows(p: &mut Program) -> &mut Vec<SampleRow> {
    match &mut p.input.place {
        SamplePlace::Rows(rows) => rows,
        SamplePlace::Whole(_) => panic!("a sample that comes in as a whole"),
    }
}

/// One for each rule of a sample that comes in row by row.
#[test]
fn the_verifier_rejects_wild_rows() {
    let spoiled: &[Spoiled] = &[
        ("another size than its shape", |p| rows(p).truncate(1)),
        ("another size than its shape", |p| rows(p)[1].slot.bytes += 4),
        ("the input ends beyond", |p| rows(p)[2].slot.offset = p.arena_bytes),
        ("rows of the input out of order", |p| rows(p)[0].step = 9),
        ("rows of the input out of order", |p| rows(p).last_mut().unwrap().step = p.streams[0].end),
        ("rows of the input out of order", |p| p.streams.clear()),
        ("nowhere whole", |p| p.boundaries[0].live.push((0, p.steps[0].finished[0].slot))),
    ];
    let g = network_to_feed(2);
    let c = Compiler::new(&g, 3, 1, &samples(&g, 8, 3, 1), 1).unwrap();
    let fed = c
        .compile(
            &Scheme::parse("bias:2", c.layers()).unwrap(),
            ProgramOptions { feed: Feed::Rows, ..ProgramOptions::of(4) },
            8,
        )
        .unwrap();
    fed.verify().unwrap();
    assert_eq!(Program::from_bytes(&fed.to_bytes()).unwrap(), fed);
    for (sentence, spoil) in spoiled {
        let mut p = fed.clone();
        spoil(&mut p);
        let error = p.verify().unwrap_err().to_string();
        assert!(error.contains(sentence), "{error} instead of {sentence}");
    }
}

#[test]
fn the_verifier_rejects_a_replay_buffer_that_is_not_whole() {
    let (_, c) = compiler(2);
    let options = ProgramOptions { replay: 3, ..ProgramOptions::of(4) };
    let good = c.compile(&Scheme::parse("bias:2,3:1/3", c.layers()).unwrap(), options, 8).unwrap();
    let part = |p: &Program, kind| p.states.iter().position(|s| s.kind == kind).unwrap();
    let [samples, tags, counts] =
        [StateKind::ReplaySamples, StateKind::ReplayTags, StateKind::ReplayCounts].map(|kind| part(&good, kind));
    let other =
        good.boundaries.iter().find(|b| good.boundary_bytes(b) != good.boundary_bytes(good.replay().unwrap().boundary));
    let other = other.unwrap().steps;
    let refused = |spoil: &dyn Fn(&mut Program), sentence: &str| {
        let mut p = good.clone();
        spoil(&mut p);
        let error = p.verify().unwrap_err().to_string();
        assert!(error.contains(sentence), "{error} instead of {sentence}");
    };
    refused(&|p| p.replay = None, "in a Program without one");
    refused(&|p| p.replay = Some(p.forward), "not whole");
    refused(&|p| p.replay = Some(other), "another size than its samples");
    refused(&|p| p.states[tags].kind = StateKind::Residuals, "not whole");
    refused(&|p| p.states[counts].kind = StateKind::HeadBiases, "not whole");
    refused(&|p| p.states[samples].slot.bytes -= 1, "another size than its samples");
    refused(&|p| p.states[tags].slot.bytes -= 2, "another size than its samples");
    refused(&|p| p.states[counts].slot.bytes -= 4, "another size");
    // No step works on what is kept.
    let mut p = good.clone();
    let weights = p.states.iter().position(|s| s.kind == StateKind::Weights).unwrap();
    p.states[weights].kind = StateKind::ReplaySamples;
    assert!(p.verify().is_err());
}

/// One for each rule: a Program that breaks it is refused, with its sentence.
#[test]
fn the_verifier_rejects() {
    let spoiled: &[Spoiled] = &[
        ("residual bits", |p| p.residual_bits = 3),
        ("1 GiB", |p| p.arena_bytes = 1 << 31),
        ("another size than its shape", |p| p.input.shape[0] += 1),
        ("the input ends beyond", |p| whole(p).offset = p.arena_bytes),
        ("another size than its shape", |p| whole(p).bytes -= 1),
        ("an input without a size", |p| p.input.shape = [1 << 12; 3]),
        ("quantisation", |p| p.input.scale = f64::NAN),
        ("quantisation", |p| p.input.zero = 128),
        ("the place of", |p| p.states[1].slot.offset = p.states[0].slot.offset),
        ("the place of", |p| p.states[0].slot.region = Region::Arena),
        ("the start of", |p| p.states[0].init = Init::Bytes(vec![1])),
        ("a state of another size", |p| p.state_bytes += 4),
        ("beyond the last step", |p| p.forward = p.steps.len() + 1),
        ("boundaries out of order", |p| p.boundaries.push(p.boundaries[0].clone())),
        ("boundaries out of order", |p| p.boundaries.clear()),
        ("boundaries out of order", |p| p.boundaries[0].steps += 1),
        ("boundaries out of order", |p| p.boundaries.last_mut().unwrap().steps = usize::MAX),
        ("streams out of order", |p| p.streams = std::iter::once(2..2).collect()),
        ("streams out of order", |p| p.streams = vec![2..4, 3..5]),
        ("streams out of order", |p| p.streams = std::iter::once(p.steps.len()..p.steps.len() + 1).collect()),
        ("a stream across", |p| p.streams = std::iter::once(p.forward - 1..p.forward + 1).collect()),
        ("without classes", |p| p.classes = 0),
        ("end with its head", |p| p.forward -= 1),
        ("classes or logits", |p| p.classes += 1),
        ("classes or logits", |p| p.logits = None),
        ("a second head", |p| p.steps.push(p.steps[p.forward - 1].clone())),
        ("that trains", |p| {
            let last = p.steps.len() - 1;
            p.steps.swap(0, last)
        }),
        ("an output beyond", |p| p.outputs.push(Slot { region: Region::Arena, offset: p.arena_bytes, bytes: 1 })),
        ("a tensor beyond", |p| p.steps[0].finished[0].slot.offset = p.arena_bytes),
        ("a tensor beyond", |p| p.boundaries[0].live[0].1.bytes = u32::MAX),
        ("the buffer", |p| p.buffers[0].windows[0].end = 0),
        ("the buffer", |p| p.buffers[0].windows.clear()),
        ("the buffer", |p| p.buffers[0].windows[0].hi = p.buffers[0].size + 1),
        ("the buffer", |p| p.buffers[0].offset = p.arena_bytes),
        ("that the kernel does not take", |p| {
            change!(p, Conv, c => c.p.stride_h = 0);
        }),
        ("the rows", |p| {
            change!(p, Conv, c => c.p.pad_top = c.p.kh);
        }),
        ("trained channels", |p| {
            change!(p, Conv, c => c.p.trained = -1);
        }),
        ("a constant that does not exist", |p| {
            change!(p, Conv, c => c.bias = Operand::Constant(9999));
        }),
        ("a constant of another type", |p| {
            change!(p, Conv, c => c.bias = c.frozen.unwrap());
        }),
        ("x: a constant", |p| {
            change!(p, Conv, c => c.x = c.bias);
        }),
        ("a constant of another length", |p| {
            let Call::Conv(c) = &p.steps.iter().find(|s| s.call.kernel() == Kernel::Conv).unwrap().call else { return };
            let Operand::Constant(i) = c.m else { return };
            p.consts[i].data = Data::I32(vec![1]);
        }),
        ("ends beyond its region", |p| {
            change!(p, Conv, c => moved(&mut c.y, 1 << 20));
        }),
        ("not aligned", |p| {
            change!(p, HeadError, c => { moved(&mut c.e, 1) });
        }),
        ("another length than the parameters say", |p| {
            change!(p, Conv, c => if let Operand::Memory(slot) = &mut c.x { slot.bytes -= 1 });
        }),
        ("it lies in another memory", |p| {
            change!(p, HeadLogits, c => c.w = c.x);
        }),
        ("it is no trainable tensor", |p| {
            change!(p, HeadLogits, c => if let Operand::Memory(slot) = &mut c.bias { slot.offset -= 4 });
        }),
        ("x overlaps y", |p| {
            p.arena_bytes *= 2;
            change!(p, Conv, c => if let (Operand::Memory(x), Operand::Memory(y)) = (c.x, &mut c.y) { y.offset = x.offset });
        }),
        ("scratch", |p| {
            change!(p, Conv, c => c.scratch = None);
        }),
        ("weights of other channels", |p| {
            change!(p, Conv, c => c.frozen = None);
        }),
        ("residual bits without", |p| {
            change!(p, ConvWeightStep, c => c.lo = None);
        }),
        ("residual bits in a Program of", |p| {
            change!(p, ConvWeightStep, c => { c.u.bits = 8; });
        }),
        ("channels out of order", |p| {
            let channels = p.consts.iter_mut().find_map(|c| match &mut c.data {
                Data::U16(v) if v.len() > 1 => Some(v),
                _ => None,
            });
            channels.unwrap().reverse();
        }),
        ("no identifier", |p| p.consts[0].name = "a; int b".into()),
        ("two tensors of one name", |p| p.consts[0].name = p.consts[1].name.clone()),
        ("cannot be printed", |p| p.steps[0].label = "*/ evil".into()),
    ];
    refuses(&fitting("bias:5,0:1/2,2:1/2,4:1/2"), spoiled);
}

fn fitting(scheme: &str) -> Program {
    program(&compiler(1).1, scheme, 4)
}

fn refuses(good: &Program, spoiled: &[Spoiled]) {
    good.verify().unwrap();
    good.verify_content().unwrap();
    for (sentence, spoil) in spoiled {
        let mut p = good.clone();
        spoil(&mut p);
        let e = p.verify().and_then(|()| p.verify_content()).expect_err(sentence).to_string();
        assert!(e.contains(sentence), "'{e}' says nothing of '{sentence}'");
        assert!(Program::from_bytes(&p.to_bytes()).is_err());
    }
}

/// Puts weights in the place of a pointwise convolution's packed ones.
fn repack(p: &mut Program, change: fn(&mut [i8], usize)) {
    let (at, k) = p
        .steps
        .iter()
        .find_map(|s| match &s.call {
            Call::Pointwise(c) => match c.packed {
                Some(Operand::Constant(at)) => Some((at, c.p.in_c as usize)),
                _ => None,
            },
            _ => None,
        })
        .expect("a pointwise convolution");
    let Data::U32(words) = &mut p.consts[at].data else { panic!("packed weights are words") };
    let mut weights = packed::unpack(words, k).unwrap();
    change(&mut weights, k);
    *words = packed::pack(&weights, k);
}

#[test]
fn the_verifier_rejects_weights_that_cannot_be_packed() {
    let good = fitting("bias:5");
    refuses(
        &good,
        &[
            ("weights that cannot be packed", |p| repack(p, |weights, _| weights[0] = -128)),
            ("weights that cannot be packed", |p| repack(p, |weights, k| weights[k] = -128)),
        ],
    );
}
