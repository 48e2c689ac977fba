//! The part of the C driver that knows kernels: their names, and the call of each over a case's scalars and buffers.

use std::fmt::Write;

use tinytrain_spec::kernels::{GivenValue, Kernel, KernelSpec, ParamKind, Returns, Role};

/// `dispatch.h`, which `c/driver.c` includes: made anew whenever the driver is built.
pub fn dispatch() -> String {
    let mut text = String::from("static const char *const names[] = {\n");
    for kernel in Kernel::ALL {
        let _ = writeln!(text, "    \"{}\",", kernel.spec().name);
    }
    text += "};\n\n/* Runs one case; returns what the kernel counts, or 0. */\n";
    text += "static __attribute__((noinline)) uint32_t run(uint32_t kernel)\n{\n";
    text += "    const int32_t *s = scalars;\n    tt_update u;\n    tt_logit_scale scale;\n    (void)u;\n    (void)scale;\n    switch (kernel) {\n";
    for (i, kernel) in Kernel::ALL.iter().enumerate() {
        text += &case(i, kernel.spec());
    }
    text + "    default:\n        return 0;\n    }\n}\n"
}

fn case(index: usize, spec: &KernelSpec) -> String {
    let mut text = format!("    case {index}: {{\n");
    let mut arguments = Vec::new();
    let mut at = 0;
    for p in spec.params {
        let words = match p.kind {
            ParamKind::Struct(s) => {
                arguments.push(format!("(const {} *)(const void *)(s + {at})", s.c));
                s.fields.len()
            }
            ParamKind::Update(s) => {
                let _ = writeln!(text, "        u = update(s + {at});");
                arguments.push("&u".into());
                s.fields.len() + 6
            }
            ParamKind::LogitScale => {
                let _ = writeln!(text, "        scale = logit_scale(s + {at});");
                arguments.push("&scale".into());
                5
            }
            ParamKind::Int | ParamKind::Given(GivenValue::ErrorShift | GivenValue::Label) => {
                arguments.push(format!("s[{at}]"));
                1
            }
            ParamKind::Real | ParamKind::Given(GivenValue::HeadRate) => {
                arguments.push(format!("real(s + {at})"));
                2
            }
        };
        at += words;
    }
    for (i, operand) in spec.operands.iter().enumerate() {
        arguments.push(format!("B({i})"));
        if operand.role == Role::Scratch {
            arguments.push(format!("(int32_t)buffers[{i}].bytes"));
        }
    }
    if spec.returns == Returns::HeadResult {
        arguments.push(format!("B({})", spec.operands.len()));
    }
    let call = format!("{}({})", spec.c, arguments.join(", "));
    let _ = match spec.returns {
        Returns::Saturated => writeln!(text, "        return {call};"),
        _ => writeln!(text, "        {call};\n        return 0;"),
    };
    text + "    }\n"
}
