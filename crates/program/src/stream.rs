//! A run of steps over rows as a loop: its *parts* are calls of one kernel over the same constants, and each turn of a part differs from its first in a
//! few numbers, which a table of bytes holds.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use tinytrain_spec::kernels::{ParamValue, Role};

use crate::{Operand, Program, Region, Step};

/// A run of steps as a loop over a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Stream {
    /// The first step.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// The parts, by number.
    pub parts: Vec<Part>,
    /// The turns, one behind the other: the number of its part, then the bytes of that part's columns.
    pub turns: Vec<u8>,
}

/// A turn of a stream.
#[derive(Clone, Copy)]
enum Turn {
    /// A step.
    Step(usize),
    /// A row of the sample comes in, to this byte of the arena.
    Row(u32),
}

/// Turns of a stream that differ in some numbers only: calls, or rows of the sample that come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Part {
    /// The step of its first turn, from which all others are derived; none for rows of the sample.
    pub step: Option<usize>,
    /// Where the first row of the sample goes; none for steps.
    pub row: Option<u32>,
    /// Bytes of a turn behind its number.
    pub bytes: usize,
    /// The numbers that differ from turn to turn.
    pub varying: Vec<Varying>,
}

/// A number that differs between the turns of a part: `base + unit * column`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Varying {
    /// Which number.
    pub number: CallNumber,
    /// The least value.
    #[cfg_attr(test, ts(type = "number"))]
    pub base: i64,
    /// The difference of one in the column.
    #[cfg_attr(test, ts(type = "number"))]
    pub unit: i64,
    /// The first byte of its column, counted from the part's number.
    pub column: usize,
    /// Whether the column has two bytes, the lower one first.
    pub wide: bool,
}

/// A number of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum CallNumber {
    /// A field of a parameter that is a struct.
    Field {
        /// Index of the parameter.
        param: usize,
        /// Index of the field.
        field: usize,
    },
    /// A parameter that is a number.
    Param {
        /// Index of the parameter.
        param: usize,
    },
    /// The first byte of an operand in the arena.
    Offset {
        /// Index of the operand.
        operand: usize,
    },
    /// The first byte in the arena of a row of the sample.
    Row,
}

/// The numbers of a call that may differ between turns.
fn numbers(step: &Step) -> Vec<(CallNumber, i64)> {
    let mut numbers = Vec::new();
    let mut param = 0;
    step.call.params(&mut |_, value| {
        match value {
            ParamValue::Struct(_, values) => {
                numbers.extend(
                    values.iter().enumerate().map(|(field, &v)| (CallNumber::Field { param, field }, v.into())),
                );
            }
            ParamValue::Int(v) => numbers.push((CallNumber::Param { param }, v.into())),
            _ => {}
        }
        param += 1;
    });
    let mut operand = 0;
    step.call.operands(&mut |_, place, _| {
        if let Some(Operand::Memory(slot)) = place
            && slot.region == Region::Arena
        {
            numbers.push((CallNumber::Offset { operand }, slot.offset.into()));
        }
        operand += 1;
    });
    numbers
}

/// Whether a step can be another turn of the part that `first` begins: all that is no number is the same.
fn same_part(first: &Step, step: &Step) -> bool {
    let fixed = |s: &Step| {
        let mut fixed = Vec::new();
        s.call.params(&mut |_, value| {
            fixed.push(match value {
                ParamValue::Struct(s, _) => format!("{s:?}"),
                ParamValue::Int(_) => "number".into(),
                other => format!("{other:?}"),
            });
        });
        s.call.operands(&mut |spec, place, _| {
            fixed.push(match place {
                // C is told how long scratch is.
                Some(Operand::Memory(slot)) if spec.role == Role::Scratch => format!("{} bytes", slot.bytes),
                Some(Operand::Memory(slot)) if slot.region == Region::Arena => "arena".into(),
                other => format!("{other:?}"),
            });
        });
        fixed
    };
    first.label == step.label && first.call.kernel() == step.call.kernel() && fixed(first) == fixed(step)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Program {
    /// The streams as loops; one that a table of bytes cannot hold is none, and its steps stand for themselves.
    pub fn loops(&self) -> Vec<Stream> {
        self.streams.iter().filter_map(|s| self.as_loop(s.clone())).collect()
    }

    fn as_loop(&self, steps: Range<usize>) -> Option<Stream> {
        let rows =
            |step: usize| (self.input.rows().iter().filter(move |r| r.step == step)).map(|r| Turn::Row(r.slot.offset));
        let order: Vec<Turn> = steps.clone().flat_map(|i| rows(i).chain([Turn::Step(i)])).collect();
        let mut firsts: Vec<Turn> = Vec::new();
        let part_of: Vec<usize> = (order.iter())
            .map(|&turn| {
                let known = firsts.iter().position(|&first| self.same_part(first, turn));
                known.unwrap_or_else(|| {
                    firsts.push(turn);
                    firsts.len() - 1
                })
            })
            .collect();
        let of_part = |part: usize| order.iter().zip(&part_of).filter(move |(_, p)| **p == part).map(|(t, _)| *t);
        let table = |(part, &first): (usize, &Turn)| self.part(first, &of_part(part).collect::<Vec<_>>());
        let tables = firsts.iter().enumerate().map(table).collect::<Option<Vec<_>>>()?;
        let mut next = vec![0; tables.len()];
        let mut turns = Vec::new();
        for &part in &part_of {
            turns.push(u8::try_from(part).ok()?);
            turns.extend(&tables[part].1[next[part]]);
            next[part] += 1;
        }
        let parts = tables.into_iter().map(|(part, _)| part).collect();
        Some(Stream { start: steps.start, end: steps.end, parts, turns })
    }

    fn same_part(&self, first: Turn, turn: Turn) -> bool {
        match (first, turn) {
            (Turn::Row(_), Turn::Row(_)) => true,
            (Turn::Step(first), Turn::Step(step)) => {
                same_part(&self.steps[first], &self.steps[step])
                    && self.is_for_training(first) == self.is_for_training(step)
            }
            _ => false,
        }
    }

    fn numbers(&self, turn: Turn) -> Vec<(CallNumber, i64)> {
        match turn {
            Turn::Row(offset) => vec![(CallNumber::Row, offset.into())],
            Turn::Step(step) => numbers(&self.steps[step]),
        }
    }

    /// A part, and the bytes of each of its turns.
    fn part(&self, first: Turn, turns: &[Turn]) -> Option<(Part, Vec<Vec<u8>>)> {
        let all: Vec<Vec<(CallNumber, i64)>> = turns.iter().map(|&t| self.numbers(t)).collect();
        let mut bytes: Vec<Vec<u8>> = vec![Vec::new(); turns.len()];
        let mut varying = Vec::new();
        // Numbers that grow together share a column.
        let mut columns: BTreeMap<Vec<i64>, usize> = BTreeMap::new();
        for (n, &(number, value)) in all[0].iter().enumerate() {
            let values: Vec<i64> = all.iter().map(|numbers| numbers[n].1).collect();
            if values.iter().all(|&v| v == value) {
                continue;
            }
            let base = values.iter().copied().min().unwrap_or(0);
            let unit = values.iter().fold(0, |unit, v| gcd(unit, v - base));
            let column: Vec<i64> = values.iter().map(|v| (v - base) / unit).collect();
            if column.iter().any(|&v| v > u16::MAX.into()) {
                return None;
            }
            let wide = column.iter().any(|&v| v > 255);
            let at = *columns.entry(column.clone()).or_insert_with(|| {
                let at = bytes[0].len() + 1;
                for (bytes, &v) in bytes.iter_mut().zip(&column) {
                    bytes.push(v as u8);
                    if wide {
                        bytes.push((v >> 8) as u8);
                    }
                }
                at
            });
            varying.push(Varying { number, base, unit, column: at, wide });
        }
        let (step, row) = match first {
            Turn::Step(step) => (Some(step), None),
            Turn::Row(offset) => (None, Some(offset)),
        };
        Some((Part { step, row, bytes: bytes[0].len(), varying }, bytes))
    }
}

#[cfg(test)]
mod tests {
    use tinytrain_spec::kernels::{Call, Fill};
    use tinytrain_spec::params::FillParams;

    use super::*;
    use crate::{Input, Plan, SamplePlace, SampleRow, Slot};

    fn program(fills: &[(i32, i32, u32)]) -> Program {
        let step = |&(n, value, offset): &(i32, i32, u32)| Step {
            label: "fill".into(),
            call: Call::Fill(Fill {
                p: FillParams { n, value },
                dst: Operand::Memory(Slot { region: Region::Arena, offset, bytes: n as u32 }),
            }),
            finished: Vec::new(),
        };
        Program {
            name: String::new(),
            scheme: String::new(),
            input: Input {
                shape: [1; 3],
                scale: 1.0,
                zero: 0,
                place: SamplePlace::Whole(Slot { region: Region::Arena, offset: 0, bytes: 1 }),
            },
            steps: fills.iter().map(step).collect(),
            forward: fills.len(),
            classes: 0,
            logits: None,
            outputs: Vec::new(),
            consts: Vec::new(),
            states: Vec::new(),
            arena_bytes: 1 << 20,
            state_bytes: 0,
            buffers: Vec::new(),
            streams: std::iter::once(0..fills.len()).collect(),
            boundaries: Vec::new(),
            plan: Plan { lower_bound: 0, heuristic: String::new() },
            replay: None,
            residual_bits: 0,
            seed: 0,
        }
    }

    #[test]
    fn numbers_that_grow_together_share_a_column() {
        let loops = program(&[(8, 1, 100), (16, 1, 164), (24, 1, 228)]).loops();
        let of = |number, base, unit| Varying { number, base, unit, column: 1, wide: false };
        let n = of(CallNumber::Field { param: 0, field: 0 }, 8, 8);
        let offset = of(CallNumber::Offset { operand: 0 }, 100, 64);
        let parts = vec![Part { step: Some(0), row: None, bytes: 1, varying: vec![n, offset] }];
        assert_eq!(loops, [Stream { start: 0, end: 3, parts, turns: vec![0, 0, 0, 1, 0, 2] }]);
    }

    #[test]
    fn rows_of_the_sample_are_a_part() {
        let mut fed = program(&[(8, 1, 100), (8, 1, 164)]);
        let row = |(step, offset)| SampleRow { step, slot: Slot { region: Region::Arena, offset, bytes: 8 } };
        fed.input.place = SamplePlace::Rows([(0, 16), (1, 24), (1, 16)].map(row).to_vec());
        let loops = fed.loops();
        assert_eq!((loops[0].parts[0].step, loops[0].parts[0].row), (None, Some(16)));
        let place = Varying { number: CallNumber::Row, base: 16, unit: 8, column: 1, wide: false };
        assert_eq!(loops[0].parts[0].varying, [place]);
        assert_eq!(loops[0].turns, [0, 0, 1, 0, 0, 1, 0, 0, 1, 1]);
    }

    #[test]
    fn a_column_beyond_a_byte_has_two_and_beyond_those_there_is_no_loop() {
        let loops = program(&[(8, 0, 0), (8, 0, 4), (8, 0, 4 * 300)]).loops();
        assert_eq!(loops[0].turns, [0, 0, 0, 0, 1, 0, 0, 44, 1]);
        assert!(loops[0].parts[0].varying[0].wide);
        assert!(program(&[(8, 0, 0), (8, 0, 1), (8, 0, 1 << 17)]).loops().is_empty());
    }
}
