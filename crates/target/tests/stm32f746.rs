//! The registers of `device/boards/stm32f746`, against a source that is not ours: the crates `stm32f7`, which is generated from the description of the
//! chip that ST publishes (SVD), and `cortex-m`.
//!
//! Two things follow from them: whether `board.c` and `flash.c` have each register at its address, and `test/device/stm32f746/registers.json`, from which the chip
//! that executes the firmware in `test/device/stm32f746.test.ts` takes addresses, reset values and fields. `TINYTRAIN_WRITE=1 cargo test -p
//! tinytrain-target --test stm32f746` writes that file.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::mem::{offset_of, zeroed};
use std::path::{Path, PathBuf};

use cortex_m::peripheral as core;
use serde_json::{Value, json};
use stm32f7::stm32f746 as chip;
use stm32f7::{BitReader, FieldReader, FieldSpec, Reg, Resettable};

/// What `registers.json` says of a register.
struct Register {
    address: usize,
    reset: u32,
    /// Mask of each field by its name.
    fields: BTreeMap<String, u32>,
}

type Registers = BTreeMap<String, Register>;

/// A field of a register as it was read: whether any bit of it is set.
trait AnyBit {
    fn any(&self) -> bool;
}

impl<T> AnyBit for BitReader<T> {
    fn any(&self) -> bool {
        self.bit_is_set()
    }
}

impl<T: FieldSpec<Ux: Into<u32>>> AnyBit for FieldReader<T> {
    fn any(&self) -> bool {
        self.bits().into() != 0
    }
}

fn reset_of<T: Resettable>(_: &Reg<T>) -> T::Ux {
    T::RESET_VALUE
}

/// Adds registers of a peripheral and fields of them to a map: addresses from where its register block lies on the chip, masks from which bits of a
/// register in this process's memory the field's reader sees.
macro_rules! registers {
    ($to:ident, $peripheral:ident of $block:ident: $($register:ident { $($field:ident)* })*) => {{
        // SAFETY: a register block is integers in cells, for which zero is a value.
        let block: Box<chip::$block::RegisterBlock> = Box::new(unsafe { zeroed() });
        let start = std::ptr::from_ref(&*block).addr();
        $({
            let register = block.$register();
            let cell = register.as_ptr();
            let address = chip::$peripheral::PTR.addr() + cell.addr() - start;
            let fields: BTreeMap<String, u32> = BTreeMap::from([$({
                let seen = |&bit: &u32| {
                    // SAFETY: the cell lies within `block`, and nothing else writes to it.
                    unsafe { cell.write_volatile(bit) };
                    register.read().$field().any()
                };
                (stringify!($field).to_uppercase(), (0..32).map(|i| 1 << i).filter(seen).sum())
            }),*]);
            let name = format!("{}_{}", stringify!($peripheral), stringify!($register).to_uppercase());
            $to.insert(name, Register { address, reset: reset_of(register), fields });
        })*
    }};
}

fn of_the_chip() -> Registers {
    let mut found = Registers::new();
    registers!(found, RCC of rcc:
        cr { hsion hsirdy hseon hserdy pllon pllrdy }
        pllcfgr { pllm plln pllp pllq pllsrc }
        cfgr { sw sws hpre ppre1 ppre2 }
        ahb1enr { gpioaen gpioben }
        apb1enr { pwren }
        apb2enr { usart1en }
    );
    registers!(found, PWR of pwr:
        cr1 { vos oden odswen }
        csr1 { vosrdy odrdy odswrdy }
    );
    registers!(found, FLASH of flash:
        acr { latency prften arten }
        keyr { }
        sr { eop operr wrperr pgaerr pgperr erserr bsy }
        cr { pg ser mer snb psize mer1 strt eopie errie lock }
    );
    registers!(found, GPIOA of gpioa: moder { moder9 } ospeedr { ospeedr9 } afrh { afrh9 });
    registers!(found, GPIOB of gpiob: moder { moder7 } pupdr { pupdr7 } afrl { afrl7 });
    registers!(found, USART1 of usart1:
        cr1 { ue re te over8 m0 m1 pce }
        brr { }
        isr { pe fe nf ore rxne tc txe }
        icr { }
        rdr { }
        tdr { }
    );
    found
}

fn of_the_core() -> BTreeMap<&'static str, usize> {
    BTreeMap::from([
        ("SCB_CCR", core::SCB::PTR.addr() + offset_of!(core::scb::RegisterBlock, ccr)),
        ("SCB_VTOR", core::SCB::PTR.addr() + offset_of!(core::scb::RegisterBlock, vtor)),
        ("SCB_CCSIDR", core::CPUID::PTR.addr() + offset_of!(core::cpuid::RegisterBlock, ccsidr)),
        ("SCB_CSSELR", core::CPUID::PTR.addr() + offset_of!(core::cpuid::RegisterBlock, csselr)),
        ("SCB_ICIALLU", core::CBP::PTR.addr() + offset_of!(core::cbp::RegisterBlock, iciallu)),
        ("SCB_DCIMVAC", core::CBP::PTR.addr() + offset_of!(core::cbp::RegisterBlock, dcimvac)),
        ("SCB_DCISW", core::CBP::PTR.addr() + offset_of!(core::cbp::RegisterBlock, dcisw)),
        ("CORE_DEMCR", core::DCB::PTR.addr() + offset_of!(core::dcb::RegisterBlock, demcr)),
        ("DWT_CTRL", core::DWT::PTR.addr() + offset_of!(core::dwt::RegisterBlock, ctrl)),
        ("DWT_CYCCNT", core::DWT::PTR.addr() + offset_of!(core::dwt::RegisterBlock, cyccnt)),
        ("DWT_LAR", core::DWT::PTR.addr() + offset_of!(core::dwt::RegisterBlock, lar)),
    ])
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Registers of `board.c` and `flash.c`: lines `#define NAME REG(0x...u)`. ST's USART1 is `USART` there.
fn of_the_board() -> BTreeMap<String, usize> {
    let read = |file: &str| fs::read_to_string(root().join("device/boards/stm32f746").join(file)).unwrap();
    let text = read("board.c") + &read("flash.c");
    let register = |line: &str| {
        let (name, value) = line.strip_prefix("#define ")?.split_once(" REG(0x")?;
        let address = usize::from_str_radix(value.trim_end_matches("u)"), 16).expect("one address, without a sum");
        Some((name.replace("USART_", "USART1_"), address))
    };
    text.lines().filter_map(register).collect()
}

#[test]
fn every_register_of_the_board_lies_where_st_and_arm_say() {
    let mut known: BTreeMap<String, usize> = of_the_chip().into_iter().map(|(name, r)| (name, r.address)).collect();
    known.extend(of_the_core().into_iter().map(|(name, address)| (name.to_string(), address)));
    assert_eq!(of_the_board(), known);
}

#[test]
fn the_chip_that_executes_the_firmware_in_tests_has_these_registers() {
    let hex = |n: usize| format!("{n:#010x}");
    let register = |r: &Register| {
        let fields: BTreeMap<_, _> = r.fields.iter().map(|(name, &mask)| (name, hex(mask as usize))).collect();
        json!({ "address": hex(r.address), "reset": hex(r.reset as usize), "fields": fields })
    };
    let chip: BTreeMap<_, _> = of_the_chip().iter().map(|(name, r)| (name.clone(), register(r))).collect();
    let core: BTreeMap<_, _> = of_the_core().into_iter().map(|(name, address)| (name, hex(address))).collect();
    let value: Value = json!({
        "generator": "crates/target/tests/stm32f746.rs, from the crates stm32f7 and cortex-m",
        "chip": chip,
        "core": core,
    });
    let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
    let file = root().join("test/device/stm32f746/registers.json");
    if std::env::var_os("TINYTRAIN_WRITE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &text).unwrap();
    }
    let stale = "TINYTRAIN_WRITE=1 cargo test -p tinytrain-target --test stm32f746 writes registers.json";
    assert_eq!(fs::read_to_string(file).unwrap_or_default(), text, "{stale}");
}
