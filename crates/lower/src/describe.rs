//! A Program as a plain record, for everything that prints it: the emitter, tables, maps.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Data, Init, Program};

impl Data {
    /// The C type of an element, without `_t`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::I8(_) => "int8",
            Self::U8(_) => "uint8",
            Self::U16(_) => "uint16",
            Self::I32(_) => "int32",
            Self::U32(_) => "uint32",
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::I8(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::U32(v) => v.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Content, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::I8(v) => v.iter().map(|&x| x as u8).collect(),
            Self::U8(v) => v.clone(),
            Self::U16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::U32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }
}

impl Program {
    /// The whole Program but the content of constants and of the initial state.
    pub fn describe(&self) -> Value {
        let mut record = self.record();
        record["hash"] = json!(self.hash());
        record
    }

    /// SHA-256 over the record, the constants and the initial state, in hexadecimal: two Programs with the same hash give the same bits.
    pub fn hash(&self) -> String {
        let mut h = Sha256::new();
        h.update(self.record().to_string());
        self.consts.iter().for_each(|c| h.update(c.data.to_bytes()));
        h.update(self.initial_state());
        h.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    fn record(&self) -> Value {
        let s = self.input_shape;
        let consts: Vec<Value> = self
            .consts
            .iter()
            .map(|c| {
                json!({ "name": c.name, "type": c.data.type_name(), "length": c.data.len(), "bytes": c.data.bytes() })
            })
            .collect();
        let states: Vec<Value> = self
            .states
            .iter()
            .map(|t| {
                json!({ "name": t.name, "kind": t.kind, "layer": t.layer, "offset": t.slot.offset, "bytes": t.slot.bytes,
                    "init": if t.init == Init::Zero { "zero" } else { "bytes" } })
            })
            .collect();
        let buffers: Vec<Value> = self
            .buffers
            .iter()
            .map(|b| {
                json!({ "label": b.label, "start": b.buffer.start, "end": b.buffer.end, "size": b.buffer.size, "offset": b.offset })
            })
            .collect();
        let live: Vec<_> = self.frontiers[self.prefix].iter().map(|(_, slot)| slot).collect();
        json!({
            "format": 1,
            "name": self.name,
            "input": { "offset": self.input.offset, "bytes": self.input.bytes, "shape": [s.h, s.w, s.c],
                "scale": self.input_quant.scale, "zero": self.input_quant.zero },
            "classes": self.classes,
            "forward": self.forward,
            "arenaBytes": self.arena_bytes,
            "stateBytes": self.state_bytes,
            "residualBits": self.residual_bits,
            "seed": self.seed.to_string(),
            "logits": self.logits,
            "steps": self.steps,
            "consts": consts,
            "states": states,
            "buffers": buffers,
            "plan": { "total": self.plan.total, "lowerBound": self.plan.lower_bound, "heuristic": self.plan.heuristic },
            "prefix": { "steps": self.prefix, "live": live },
        })
    }
}
