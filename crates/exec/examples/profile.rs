//! Where the time of a Program goes, step by step (the least of many runs), on one core and random pictures:
//! `cargo run --release -p tinytrain-exec --example profile MODEL [SCHEME SIDE]`. Without a scheme: the model as it stands.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use tinytrain_exec::{Compiler, Executor, chosen_kernels, forward_program};
use tinytrain_ir::Scheme;
use tinytrain_lower::{Kernel, Options, Program};
use tinytrain_spec::arith::Real31;
use tinytrain_spec::random::draw;

const ROUNDS: u64 = 3000;

fn macs(kernel: &Kernel) -> i64 {
    match kernel {
        Kernel::Conv { depthwise, p } | Kernel::ConvInputGrad { depthwise, p, .. } => {
            let fan = p.kh * p.kw * if *depthwise { 1 } else { p.in_c };
            i64::from(p.out_h * p.out_w * p.out_c) * i64::from(fan)
        }
        Kernel::ConvWeightStep { depthwise, p, .. } => {
            let each = p.kh * p.kw * p.trained * if *depthwise { 1 } else { p.out_c };
            i64::from(p.out_h * p.out_w) * i64::from(each)
        }
        _ => 0,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let side = args.get(2).map(|s| s.parse()).transpose()?;
    let path = args.first().ok_or("profile MODEL [SCHEME SIDE]")?;
    let options = tinytrain_import::Options { input: side.map(|s| [s, s]), ..Default::default() };
    let graph = tinytrain_import::import(path, &std::fs::read(path)?, &options)?.graph;
    let len = graph.tensor(graph.input).shape.len();
    let pictures: Vec<(Vec<i8>, usize)> =
        (0..20).map(|i| ((0..len).map(|j| draw(i, j as u32) as i8).collect(), i as usize % 10)).collect();
    let program: Program = match args.get(1) {
        Some(scheme) => {
            let compiler = Compiler::new(&graph, 10, 0, &pictures, 2)?;
            let o = Options::default();
            compiler.compile(&Scheme::parse(scheme, compiler.layers())?, o.residual_bits, o.improvement_rounds)?
        }
        None => forward_program(&graph, false)?,
    };
    let program = Arc::new(program);
    let mut executor = Executor::new(program.clone())?;
    let visit = |executor: &mut Executor, i: u64| {
        let (picture, label) = &pictures[i as usize % pictures.len()];
        match program.classes {
            0 => executor.forward(picture),
            _ => executor.train_step(picture, *label, Real31::from_f64(1.6e-3)).map(|_| ()),
        }
    };
    for i in 0..ROUNDS / 3 {
        visit(&mut executor, i)?;
    }
    let mut least = f64::MAX;
    for i in 0..ROUNDS {
        let start = Instant::now();
        visit(&mut executor, i)?;
        least = least.min(start.elapsed().as_nanos() as f64);
    }
    executor.profile();
    for i in 0..ROUNDS {
        visit(&mut executor, i)?;
    }
    let times: Vec<f64> = executor.take_profile().into_iter().map(|ns| ns as f64 / 1000.0).collect();
    let mut kinds: BTreeMap<String, (f64, i64)> = BTreeMap::new();
    for (step, us) in program.steps.iter().zip(&times) {
        let macs = macs(&step.kernel);
        println!("{us:9.2} us {macs:>10} MACs {:>7.1} GMAC/s  {}", macs as f64 / us / 1000.0, step.label);
        let name = format!("{:?}", step.kernel);
        let depthwise = name.contains("depthwise: true");
        let name =
            format!("{}{}", name.split([' ', '{']).next().unwrap_or(""), if depthwise { " depthwise" } else { "" });
        let kind = kinds.entry(name).or_default();
        *kind = (kind.0 + us, kind.1 + macs);
    }
    println!();
    for (name, (us, macs)) in kinds {
        println!("{us:9.2} us {macs:>10} MACs {:>7.1} GMAC/s  {name}", macs as f64 / us / 1000.0);
    }
    println!("{:9.2} us a visit, {} kernels", least / 1000.0, chosen_kernels()?.name());
    Ok(())
}
