//! `crates/kernels/c/tt_kernels.h`, made from the kernel table: parameter structs and prototypes. A test holds the committed file against it.

use std::fmt::Write;

use tinytrain_spec::kernels::{
    Element, GivenValue, Kernel, KernelSpec, OperandSpec, ParamKind, ParamSpec, Returns, Role,
};
use tinytrain_spec::params::Struct;

/// The longest line.
const WIDTH: usize = 120;

/// The contract of all kernels, before the structs.
const INTRODUCTION: &str = include_str!("header_introduction.h");
/// Structs that are no parameters of a Program.
const SHARED: &str = include_str!("header_shared.h");

/// The file.
pub fn header() -> String {
    let mut text = String::from(INTRODUCTION);
    for s in structs() {
        text += &comment(s.doc);
        text += "typedef struct {\n";
        for f in s.fields {
            let _ = writeln!(text, "    int32_t {}; /* {} */", f.name, f.doc.trim());
        }
        let _ = writeln!(text, "}} {};\n", s.c);
    }
    text += SHARED;
    for kernel in Kernel::ALL {
        text += &prototype(kernel.spec());
    }
    text + "\n#endif\n"
}

/// The parameter structs, in the order in which kernels name them.
fn structs() -> Vec<&'static Struct> {
    let mut found: Vec<&Struct> = Vec::new();
    for param in Kernel::ALL.iter().flat_map(|k| k.spec().params) {
        if let ParamKind::Struct(s) | ParamKind::Update(s) = param.kind
            && !found.iter().any(|other| other.c == s.c)
        {
            found.push(s);
        }
    }
    found
}

fn comment(doc: &str) -> String {
    let mut text = String::from("/*");
    let mut width = 2;
    for paragraph in doc.trim().split("\n\n") {
        if text.len() > 2 {
            text += "\n *\n *";
            width = 2;
        }
        for word in paragraph.split_whitespace() {
            if width + 1 + word.len() > WIDTH - 3 {
                text += "\n *";
                width = 2;
            }
            let _ = write!(text, " {word}");
            width += 1 + word.len();
        }
    }
    text + " */\n"
}

fn param(p: &ParamSpec) -> String {
    let name = p.name;
    match p.kind {
        ParamKind::Struct(s) => format!("const {} *{name}", s.c),
        ParamKind::Update(_) => format!("const tt_update *{name}"),
        ParamKind::Int | ParamKind::Given(GivenValue::ErrorShift | GivenValue::Label) => format!("int32_t {name}"),
        ParamKind::Real | ParamKind::Given(GivenValue::HeadRate) => format!("tt_real31 {name}"),
        ParamKind::LogitScale => format!("const tt_logit_scale *{name}"),
    }
}

fn operand(o: &OperandSpec) -> String {
    let constant = if o.role.writes() { "" } else { "const " };
    let element = match o.role {
        Role::Scratch => "void".to_string(),
        _ => format!("{}_t", Element::name(o.element)),
    };
    let room = if o.role == Role::Scratch { ", int32_t room" } else { "" };
    format!("{constant}{element} *{}{room}", o.name)
}

fn prototype(spec: &KernelSpec) -> String {
    let mut text = format!("\n{}", comment(&documentation(spec)));
    let returns = if spec.returns == Returns::Saturated { "uint32_t" } else { "void" };
    let mut arguments: Vec<String> = spec.params.iter().map(param).chain(spec.operands.iter().map(operand)).collect();
    if spec.returns == Returns::HeadResult {
        arguments.push("tt_head_result *result".into());
    }
    let head = format!("{returns} {}(", spec.c);
    let (mut line, indent) = (head.clone(), " ".repeat(head.len()));
    for (i, argument) in arguments.iter().enumerate() {
        let end = if i + 1 < arguments.len() { "," } else { ");" };
        if line.len() + argument.len() + 3 > WIDTH {
            let _ = writeln!(text, "{}", line.trim_end());
            line.clone_from(&indent);
        }
        let space = if line == head || line == indent { "" } else { " " };
        let _ = write!(line, "{space}{argument}{end}");
    }
    let _ = writeln!(text, "{line}");
    text
}

/// The row's documentation, what may be absent and what may be done in place.
fn documentation(spec: &KernelSpec) -> String {
    let of = |names: Vec<&str>| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let absent =
        spec.operands.iter().filter(|o| o.optional && o.role != Role::Scratch).map(|o| o.name).collect::<Vec<_>>();
    let mut text = spec.doc.trim().replace("`p.", "`p->").replace("`u.", "`u->params.");
    if !absent.is_empty() {
        let _ = write!(text, " May be NULL: {}.", of(absent));
    }
    let in_place: Vec<String> =
        spec.operands.iter().filter_map(|o| Some(format!("{} == {}", o.in_place?, o.name))).collect();
    if !in_place.is_empty() {
        let _ = write!(text, " In place ({}).", in_place.join(" or "));
    }
    text
}
