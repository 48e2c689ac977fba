use serde::Deserialize;

/// The slowest clock: a smaller number is one of other units.
const SLOWEST_HZ: u32 = 10_000;

/// The content of `board.toml`: the one place that knows a board.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Its name for people.
    pub title: String,
    /// The core, which names the tables to plan with.
    pub core: String,
    /// Compiler and linker flags that select the core.
    pub flags: Vec<String>,
    /// C files: `common/NAME.c` of the folder that boards share, `NAME.c` of the board's own.
    pub sources: Vec<String>,
    /// Cycles of the core a second, as the board's code sets it up: what milliseconds are modelled for.
    pub clock_hz: u32,
    /// Where code and constants lie.
    pub flash: Range,
    /// Where everything else lies, the stack first.
    pub sram: Range,
    /// The part of `sram`, at its beginning, that the core reaches without wait states and without a cache: the stack must lie in it, and what inner
    /// loops touch should.
    pub fast: Option<Range>,
    /// Shell commands that write a firmware to the board, the preferred one first: `{elf}` and `{bin}` stand for the files.
    #[serde(default)]
    pub flash_commands: Vec<String>,
    /// The machine of `qemu-system-arm` that emulates this board.
    pub emulator: Option<Emulator>,
    /// Where `tt_store` may keep what was learned.
    pub store: Option<Store>,
}

/// Sectors of NOR flash that hold nothing but saved states.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The first address.
    pub origin: u32,
    /// Bytes of a sector.
    pub sector: u32,
    /// Sectors, one behind the other.
    pub sectors: u32,
    /// Where a firmware with a store lies, but for the vector table, which stays at the beginning of `flash`; only where the store is not the end of `flash`.
    pub firmware: Option<Range>,
    /// C files that implement `tt_flash.h`, named like those of the board.
    pub sources: Vec<String>,
    /// What is known of this flash; none of one that is only modelled.
    pub times: Option<FlashTimes>,
}

/// Times and endurance of flash.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlashTimes {
    /// Microseconds until a word of 4 bytes is programmed: typically, and at most.
    pub program_us: [u32; 2],
    /// Milliseconds until a sector is erased: typically, and at most.
    pub erase_ms: [u32; 2],
    /// How often a sector may be erased.
    pub cycles: u32,
    /// Where that is from, in a line.
    pub source: String,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first address.
    pub origin: u32,
    /// Bytes.
    pub length: u32,
}

/// How QEMU emulates a board.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emulator {
    /// `-M`
    pub machine: String,
    /// `-icount shift=`: an instruction takes 2^shift ns of the time that the board's clock counts.
    pub icount_shift: u32,
    /// The word, outside of the two memories, that tells the board to use semihosting; a board without one has its UART only.
    pub mailbox: Option<u32>,
}

impl Board {
    /// Reads `board.toml`. The error says what is wrong with it, on one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let board: Self = toml::from_str(text).map_err(|e| e.message().replace('\n', " "))?;
        board.check()?;
        Ok(board)
    }

    /// The values go into a Makefile, a CMake list and a linker script: whatever would end a word there is refused.
    fn check(&self) -> Result<(), String> {
        let is_line = |s: &str| !s.trim().is_empty() && !s.contains(|c: char| c.is_control());
        let is_word = |s: &str, more: &str| s.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        if !is_line(&self.title) || self.title.ends_with('\\') {
            return Err("title must be one line of text".into());
        }
        if self.core.is_empty() || !is_word(&self.core, "-_+.") || self.core.starts_with('.') {
            return Err(format!("core '{}' must consist of letters, digits, '-', '+', '_' and '.'", self.core));
        }
        if let Some(flag) = self.flags.iter().find(|f| !f.starts_with('-') || !is_word(f, "-_+.=,/")) {
            return Err(format!("'{flag}' in flags must be one flag of the compiler, without spaces or quotes"));
        }
        for source in self.sources.iter().chain(self.store.iter().flat_map(|s| &s.sources)) {
            let file = source.strip_prefix("common/").unwrap_or(source);
            if !file.ends_with(".c") || file.starts_with('.') || !is_word(file, "-_.") {
                return Err(format!("'{source}' in sources must be a C file: NAME.c, or common/NAME.c"));
            }
        }
        if self.sources.is_empty() {
            return Err("sources must name the C files of the board".into());
        }
        if self.clock_hz < SLOWEST_HZ {
            return Err(format!("clock_hz must be the core's cycles a second, at least {SLOWEST_HZ}"));
        }
        self.flash.check("flash")?;
        self.sram.check("sram")?;
        if let Some(fast) = self.fast {
            fast.check("fast")?;
            if fast.origin != self.sram.origin || fast.length > self.sram.length {
                return Err("fast must be the beginning of sram, where the stack lies".into());
            }
        }
        if let Some(store) = &self.store {
            store.check(self.flash)?;
        }
        if let Some(command) = self.flash_commands.iter().find(|c| !is_line(c)) {
            return Err(format!("{command:?} in flash_commands must be one line of text"));
        }
        self.emulator.as_ref().map_or(Ok(()), |e| {
            if e.machine.is_empty() || !is_word(&e.machine, "-_.") {
                return Err(format!("'{}' must be a machine of qemu-system-arm", e.machine));
            }
            if e.icount_shift > 10 {
                return Err(format!("icount_shift {} must be 0 to 10, as QEMU takes it", e.icount_shift));
            }
            Ok(())
        })
    }
}

impl Store {
    /// Where it lies.
    pub fn range(&self) -> Range {
        Range { origin: self.origin, length: self.sector.saturating_mul(self.sectors) }
    }

    /// Bytes of `flash` that a firmware with a store cannot use: none where the store lies elsewhere. Those before a store amid `flash`, where nothing but
    /// the vector table lies, are among them.
    pub fn within(&self, flash: Range) -> u32 {
        match self.firmware {
            Some(firmware) => flash.length - firmware.length,
            None if self.range().overlaps(flash) => self.range().length,
            None => 0,
        }
    }

    fn check(&self, flash: Range) -> Result<(), String> {
        if self.sectors < 2 || self.sector.checked_mul(self.sectors).is_none() {
            return Err("store must have two sectors or more, and fewer than 4 GB".into());
        }
        Range { origin: self.origin, length: self.sector }.check("a sector of store")?;
        let range = self.range();
        range.check("store")?;
        if range.overlaps(flash) && (!range.within(flash) || range.origin == flash.origin) {
            return Err(
                "store must leave the beginning of flash to the vector table, and lie within flash or outside of it"
                    .into(),
            );
        }
        match self.firmware {
            None if range.overlaps(flash) && range.last() != flash.last() => {
                return Err("store must be the end of flash, lie outside of it, or say where the firmware lies".into());
            }
            Some(firmware) => {
                firmware.check("firmware of store")?;
                if !range.overlaps(flash) || !firmware.within(flash) || firmware.origin <= range.last() {
                    return Err("firmware of store must be the part of flash behind a store that lies in flash".into());
                }
            }
            None => {}
        }
        if self.sources.is_empty() {
            return Err("sources of store must name the C files that implement tt_flash.h".into());
        }
        self.times.as_ref().map_or(Ok(()), |t| {
            if t.program_us[0] > t.program_us[1] || t.erase_ms[0] > t.erase_ms[1] || t.cycles == 0 {
                return Err("times of store are a typical one and the longest, and cycles are 1 or more".into());
            }
            if t.source.trim().is_empty() || t.source.contains(|c: char| c.is_control()) {
                return Err("source in the times of store must say in a line where they are from".into());
            }
            Ok(())
        })
    }
}

impl Range {
    fn overlaps(self, other: Self) -> bool {
        self.origin <= other.last() && other.origin <= self.last()
    }

    fn within(self, other: Self) -> bool {
        other.origin <= self.origin && self.last() <= other.last()
    }

    /// The last address, of a range that was checked.
    fn last(self) -> u32 {
        self.origin + (self.length - 1)
    }

    fn check(&self, name: &str) -> Result<(), String> {
        if self.length == 0 || !self.origin.is_multiple_of(8) || !self.length.is_multiple_of(8) {
            return Err(format!("{name} must have a length, and both of its numbers must be multiples of 8"));
        }
        match self.origin.checked_add(self.length - 1) {
            Some(_) => Ok(()),
            None => Err(format!("{name} reaches beyond the last address")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        title = "A board"
        core = "cortex-m4"
        flags = ["-mcpu=cortex-m4", "-mthumb"]
        sources = ["common/start.c", "board.c"]
        clock_hz = 25_000_000
        flash = { origin = 0x0800_0000, length = 0x10_0000 }
        sram = { origin = 0x2000_0000, length = 0x8000 }
        flash_commands = ["st-flash write {bin} 0x08000000"]
        [emulator]
        machine = "mps2-an386"
        icount_shift = 8
        [store]
        origin = 0x0808_0000
        sector = 0x4_0000
        sectors = 2
        sources = ["flash.c"]
        times = { program_us = [16, 100], erase_ms = [1, 2], cycles = 10, source = "a data sheet" }
    "#;

    #[test]
    fn a_board_is_read() {
        let board = Board::parse(GOOD).unwrap();
        assert_eq!(board.sram, Range { origin: 0x2000_0000, length: 32 << 10 });
        assert_eq!(board.emulator.unwrap().mailbox, None);
    }

    #[test]
    fn a_store_leaves_a_firmware_less_flash() {
        let within = |text: &str| {
            let board = Board::parse(text).unwrap();
            board.store.unwrap().within(board.flash)
        };
        assert_eq!(within(GOOD), 0x8_0000);
        let amid = "sector = 0x1_8000\n firmware = { origin = 0x0804_0000, length = 0xc_0000 }";
        let amid = GOOD.replace("sector = 0x4_0000", amid).replace("origin = 0x0808_0000", "origin = 0x0800_8000");
        assert_eq!(within(&amid), 0x4_0000, "sector 0, which has the vector table, is among them");
        assert_eq!(within(&GOOD.replace("origin = 0x0808_0000", "origin = 0x0900_0000")), 0);
    }

    #[test]
    fn bad_values_are_refused_each_in_one_line() {
        for (from, to, why) in [
            ("title = \"A board\"", "", "title"),
            ("A board", "", "title"),
            ("cortex-m4\"\n", "../m4\"\n", "core"),
            ("-mthumb", "-mthumb $(shell x)", "flags"),
            ("-mthumb", "mthumb", "flags"),
            ("board.c", "../board.c", "sources"),
            ("board.c", "board.o", "sources"),
            ("\"common/start.c\", \"board.c\"", "", "sources"),
            ("= 25_000_000", "= 216", "clock_hz"),
            ("clock_hz = 25_000_000", "", "clock_hz"),
            ("0x8000 }", "0x8000 }\n fast = { origin = 0x2000_0000, length = 0x8008 }", "fast"),
            ("0x8000 }", "0x8000 }\n fast = { origin = 0x2000_0008, length = 0x100 }", "fast"),
            ("0x8000 }", "0 }", "sram"),
            ("0x2000_0000", "0xffff_f000", "beyond"),
            ("0x2000_0000", "0x1_2000_0000", "u32"),
            ("0x2000_0000", "0x2000_0001", "multiples"),
            ("st-flash", "st\\nflash", "flash_commands"),
            ("mps2-an386", "mps2 -drive x", "machine"),
            ("sectors = 2", "sectors = 1", "two sectors"),
            ("sectors = 2", "sectors = 0x8000_0000", "two sectors"),
            ("sector = 0x4_0000", "sector = 0x2_0000", "end of flash"),
            ("origin = 0x0808_0000", "origin = 0x0800_0000", "vector table"),
            ("origin = 0x0808_0000", "origin = 0x080c_0000", "within flash"),
            ("sectors = 2", "sectors = 2\n firmware = { origin = 0x0800_8000, length = 0x8000 }", "behind"),
            ("sectors = 2", "sectors = 2\n firmware = { origin = 0x0810_0000, length = 0x8000 }", "behind"),
            ("sector = 0x4_0000", "sector = 0x3_fffe", "multiples"),
            ("sector = 0x4_0000\n        sectors = 2", "sector = 0x1_fffc\n        sectors = 4", "multiples"),
            ("\"flash.c\"", "", "tt_flash.h"),
            ("flash.c", "flash.o", "sources"),
            ("[16, 100]", "[100, 16]", "typical"),
            ("a data sheet", "", "where they are from"),
            ("= 8", "= 11", "icount_shift"),
            ("= 8", "= 8\nclock = 3", "clock"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let error = Board::parse(&text).expect_err(to);
            assert!(error.contains(why) && !error.contains('\n'), "{to}: {error}");
        }
    }
}
