"""An STM32F746 that executes an unchanged firmware in Unicorn: stdin and stdout are the two directions of its USART1.

usage: chip.py FIRMWARE.elf [--no-crystal] [--report FILE] [--flash FILE] [--cut N]      (pip install unicorn pyelftools)

It has memory, a Cortex-M7, and the registers of registers.json (made from ST's description of the chip), which behave as the reference manual RM0385 says as
far as start-up and a polled serial line go. It ends with a sentence, and exit code 1, where a real chip would not work: an access to anything else, a system
clock from a PLL that is not locked, too few wait states, no over-drive, a peripheral without its clock, a pin or a bit rate that is not the serial line's.
It shows that registers are set, and in a working order; it has no notion of time, and its caches and clocks are registers only, except that a line of flash
that the data cache may hold older than flash must not be read.

Sectors 1 to 4 can be erased and programmed by the flash interface, and by nothing else, where the firmware does not lie in them. They hold what the file of --flash holds, and go into it when the run
ends: the next run is what follows a reset. With --cut the power fails in the middle of operation N (from 1): a word or a sector is then half of what it was to be.

When stdin ends, it writes what it was set to as JSON into the file of --report.
"""

import argparse
import json
import os
import select
from pathlib import Path

from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, UC_PROT_EXEC, UC_PROT_READ, Uc, UcError
from unicorn.arm_const import UC_ARM_REG_PC, UC_ARM_REG_SP, UC_CPU_ARM_CORTEX_M7

FLASH, FLASH_BYTES = 0x08000000, 1 << 20
SECTOR_STARTS = [0, 0x8000, 0x10000, 0x18000, 0x20000, 0x40000, 0x80000, 0xC0000]  # RM0385, table 3
WRITABLE, WRITABLE_END = FLASH + SECTOR_STARTS[1], FLASH + SECTOR_STARTS[5]  # sectors 1 to 4
CACHE_LINE = 32  # bytes of a line of the data cache
SRAM, SRAM_BYTES = 0x20000000, 320 << 10
PERIPHERALS, CORE, WINDOW = 0x40000000, 0xE0000000, 1 << 20
CRYSTAL_HZ, INTERNAL_HZ, BAUD = 25_000_000, 16_000_000, 115_200
AHB_DIVIDERS = [1] * 8 + [2, 4, 8, 16, 64, 128, 256, 512]
APB_DIVIDERS = [1] * 4 + [2, 4, 8, 16]
IDLE_POLLS = 64  # status reads in a row without a byte, after which the firmware is waiting for one
LINE = {"GPIOA_MODER.MODER9": 2, "GPIOA_AFRH.AFRH9": 7, "GPIOB_MODER.MODER7": 2, "GPIOB_AFRL.AFRL7": 7}  # PA9, PB7: USART1


class Chip:
    """Registers, their fields and what follows from them."""

    def __init__(self, described, crystal):
        self.crystal = crystal
        self.names = {int(one["address"], 16): name for name, one in described.items()}
        self.values = {name: int(one["reset"], 16) for name, one in described.items()}
        self.masks = {f"{name}.{field}": int(mask, 16) for name, one in described.items() for field, mask in one["fields"].items()}
        self.arrived, self.polls, self.ended = bytearray(), 0, False
        self.flash = None

    def get(self, field):
        mask = self.masks[field]
        return (self.values[field.split(".")[0]] & mask) // (mask & -mask)

    def put(self, field, value):
        register, mask = field.split(".")[0], self.masks[field]
        self.values[register] = self.values[register] & ~mask | value * (mask & -mask)

    def clocks(self):
        """System clock and that of USART1, in Hz; refuses what does not run."""
        hz = INTERNAL_HZ
        if self.get("RCC_CFGR.SWS") == 2:
            require(self.get("RCC_CR.PLLRDY"), "the system clock comes from a PLL that is not locked")
            source = CRYSTAL_HZ if self.get("RCC_PLLCFGR.PLLSRC") else INTERNAL_HZ
            steps = source / self.get("RCC_PLLCFGR.PLLM")
            require(1e6 <= steps <= 2e6, f"the PLL's input is {steps / 1e6} MHz")
            vco = steps * self.get("RCC_PLLCFGR.PLLN")
            require(100e6 <= vco <= 432e6, f"the PLL's oscillator runs at {vco / 1e6} MHz")
            hz = vco / (2 * self.get("RCC_PLLCFGR.PLLP") + 2) / AHB_DIVIDERS[self.get("RCC_CFGR.HPRE")]
        require(hz <= 216e6, f"{hz / 1e6} MHz are too many")
        require(hz <= 180e6 or self.get("PWR_CSR1.ODSWRDY"), f"{hz / 1e6} MHz without over-drive")
        require(30e6 * (self.get("FLASH_ACR.LATENCY") + 1) >= hz, f"too few wait states for {hz / 1e6} MHz")
        apb1, apb2 = (hz / APB_DIVIDERS[self.get(f"RCC_CFGR.PPRE{bus}")] for bus in (1, 2))
        require(apb1 <= 54e6 and apb2 <= 108e6, f"APB1 at {apb1 / 1e6} MHz and APB2 at {apb2 / 1e6} MHz")
        return hz, apb2

    def check_line(self):
        require(self.get("USART1_CR1.UE"), "the serial line is used before it is on")
        for field, wanted in LINE.items():
            require(self.get(field) == wanted, f"{field} is {self.get(field)}, not {wanted}: the pin is not USART1's")
        baud = self.clocks()[1] / self.values["USART1_BRR"]
        require(abs(baud / BAUD - 1) < 0.02, f"the serial line runs at {baud} baud")

    def check_peripheral(self, name):
        peripheral = name.split("_")[0]
        enable = {"PWR": "RCC_APB1ENR.PWREN", "USART1": "RCC_APB2ENR.USART1EN"}.get(peripheral)
        if peripheral in ("GPIOA", "GPIOB"):
            enable = f"RCC_AHB1ENR.{peripheral}EN"
        require(enable is None or self.get(enable), f"{name} is used without its clock, {enable}")

    def named(self, address):
        require(address in self.names, f"there is no register at {address:#x} that this chip knows")
        self.check_peripheral(self.names[address])
        return self.names[address]

    def read(self, address):
        name = self.named(address)
        if name == "USART1_ISR":
            self.look()
        if name == "FLASH_SR":
            return self.flash.status()
        require(name != "FLASH_KEYR", "FLASH_KEYR can only be written")
        if name == "USART1_RDR":
            self.check_line()
            require(self.arrived, "USART1_RDR is read although nothing was received")
            return self.arrived.pop(0)
        return self.values[name]

    def look(self):
        """Whether a byte has come in; waits for one where the firmware does nothing else."""
        self.polls = 0 if self.arrived else self.polls + 1
        waiting = self.polls > IDLE_POLLS
        if not self.arrived and (waiting or select.select([0], [], [], 0)[0]):
            self.arrived += os.read(0, 65536)
            self.ended = not self.arrived
        self.put("USART1_ISR.RXNE", 1 if self.arrived else 0)

    def write(self, address, value):
        name = self.named(address)
        if name == "USART1_TDR":
            self.check_line()
            self.polls = 0
            os.write(1, bytes([value & 255]))
            return
        require(name not in ("PWR_CSR1", "USART1_ISR", "USART1_RDR"), f"{name} can only be read")
        if name in ("FLASH_KEYR", "FLASH_SR", "FLASH_CR"):
            self.flash.write(name, value)
            return
        if name == "RCC_PLLCFGR":
            require(not self.get("RCC_CR.PLLON"), "the PLL is set while it is on")
        self.values[name] = value
        self.answer()
        self.clocks()

    def answer(self):
        """The flags by which the chip answers."""
        on = self.get
        self.put("RCC_CR.HSIRDY", on("RCC_CR.HSION"))
        self.put("RCC_CR.HSERDY", on("RCC_CR.HSEON") and int(self.crystal))
        source = "HSERDY" if on("RCC_PLLCFGR.PLLSRC") else "HSIRDY"
        self.put("RCC_CR.PLLRDY", on("RCC_CR.PLLON") and on(f"RCC_CR.{source}"))
        self.put("PWR_CSR1.ODRDY", on("PWR_CR1.ODEN"))
        self.put("PWR_CSR1.ODSWRDY", on("PWR_CR1.ODEN") and on("PWR_CR1.ODSWEN"))
        self.put("RCC_CFGR.SWS", on("RCC_CFGR.SW"))


class Flash:
    """The flash interface and the sectors that it may write, as RM0385, chapter 3, has them: sequences that the manual does not allow end the run."""

    KEYS = [0x45670123, 0xCDEF89AB]

    def __init__(self, chip, content, cut):
        self.chip, self.cut = chip, cut
        self.content = bytearray(content)
        self.keys, self.operations, self.busy = [], 0, 0
        self.cached, self.old = set(), set()  # lines that the data cache may hold, and those of them that flash has changed since
        chip.flash = self

    def write(self, name, value):
        get, put = self.chip.get, self.chip.put
        if name == "FLASH_KEYR":
            self.keys.append(value)
            require(self.keys == self.KEYS[: len(self.keys)] and get("FLASH_CR.LOCK"), "a wrong key locks the flash interface until reset")
            if self.keys == self.KEYS:
                self.keys = []
                put("FLASH_CR.LOCK", 0)
        elif name == "FLASH_SR":
            self.chip.values[name] &= ~(value & 0xFF)  # 1 clears a flag
        else:
            require(not get("FLASH_CR.LOCK"), "FLASH_CR is written while it is locked")
            require(not self.busy, "FLASH_CR is written while flash is busy")
            self.chip.values[name] = value
            require(not get("FLASH_CR.MER") and not get("FLASH_CR.MER1"), "a mass erase would erase the program")
            if get("FLASH_CR.STRT"):
                self.erase()

    def status(self):
        """The status register: an operation takes two looks at it."""
        self.busy = max(0, self.busy - 1)
        self.chip.put("FLASH_SR.BSY", 1 if self.busy else 0)
        return self.chip.values["FLASH_SR"]

    def begin(self):
        """An operation begins; whether the power fails in the middle of it."""
        require(self.chip.get("FLASH_CR.PSIZE") == 2, "words are not programmed 32 bits at a time")
        require(not self.chip.values["FLASH_SR"] & 0xF2, "an operation begins with the errors of another one")
        require(not self.busy, "an operation begins while flash is busy")
        self.busy, self.operations = 3, self.operations + 1
        return self.operations == self.cut

    def erase(self):
        require(self.chip.get("FLASH_CR.SER") and not self.chip.get("FLASH_CR.PG"), "what is started is not the erase of a sector")
        number = self.chip.get("FLASH_CR.SNB")
        require(1 <= number <= 4, f"sector {number} holds the program")
        at, end = (SECTOR_STARTS[n] - SECTOR_STARTS[1] for n in (number, number + 1))
        fails = self.begin()
        length = (end - at) // 2 if fails else end - at
        self.content[at : at + length] = b"\xff" * length
        self.changed(at, end - at)
        self.chip.put("FLASH_CR.STRT", 0)
        if fails:
            self.chip.ended = True

    def program(self, offset, size, value):
        require(self.chip.get("FLASH_CR.PG") and not self.chip.get("FLASH_CR.SER"), f"a write to flash at {WRITABLE + offset:#x} that does not program")
        require(not self.chip.get("FLASH_CR.LOCK"), "a write to flash that is locked")
        require(size == 4 and offset % 4 == 0, "what is programmed is not a whole word")
        fails = self.begin()
        if fails:
            value |= 0xAAAAAAAA
        old = int.from_bytes(self.content[offset : offset + 4], "little")
        self.content[offset : offset + 4] = (old & value).to_bytes(4, "little")
        self.changed(offset, 4)
        if fails:
            self.chip.ended = True

    def changed(self, offset, size):
        """A write goes through the cache: a line that is there holds what was to be written, not what flash made of it."""
        self.old |= self.cached & set(range(offset // CACHE_LINE, (offset + size - 1) // CACHE_LINE + 1))

    def read(self, offset, size):
        require(not self.busy, "flash is read while it is busy")
        line = offset // CACHE_LINE
        require(line not in self.old, f"flash at {WRITABLE + offset:#x} is read, of which the data cache may hold what it was before")
        self.cached.add(line)
        return int.from_bytes(self.content[offset : offset + size], "little")

    def invalidate(self, address):
        self.old.discard((address - WRITABLE) // CACHE_LINE)
        self.cached.discard((address - WRITABLE) // CACHE_LINE)


class Core:
    """Registers of the Cortex-M7: caches, vector table, cycle counter. Only those of registers.json are there."""

    CCSIDR = 31 << 13 | 3 << 3 | 1  # data cache of an F746: 32 sets, 4 ways, lines of 32 bytes

    def __init__(self, addresses, flash):
        self.flash = flash
        self.names = {int(address, 16): name for name, address in addresses.items()}
        self.values = dict.fromkeys(addresses, 0)
        self.cleared = set()

    def read(self, address):
        require(address in self.names, f"the core has no register at {address:#x}")
        name = self.names[address]
        if name == "DWT_CYCCNT" and self.values["DWT_CTRL"] & 1:
            self.values[name] = self.values[name] + 1000 & 0xFFFFFFFF
        return self.CCSIDR if name == "SCB_CCSIDR" else self.values[name]

    def write(self, address, value):
        require(address in self.names, f"the core has no register at {address:#x}")
        name = self.names[address]
        if name == "SCB_DCISW":
            self.cleared.add(value)
        if name == "SCB_DCIMVAC":
            self.flash.invalidate(value)
        if name == "SCB_CCR" and value & 1 << 16:
            require(len(self.cleared) == 128, f"the data cache is on after {len(self.cleared)} of its 128 lines were cleared")
        self.values[name] = value


class Refused(Exception):
    """A sentence: what a real chip would not do."""


def require(condition, sentence):
    if not condition:
        raise Refused(sentence)


def machine(elf, chip, core):
    """Memory, the firmware in it, and the registers. The sectors of `chip.flash` are there where the firmware is not: a firmware without a store may fill them."""
    uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M7)
    with open(elf, "rb") as file:
        segments = [(s["p_paddr"], s.data()) for s in ELFFile(file).iter_segments("PT_LOAD") if s["p_filesz"]]
    has_store = all(at + len(data) <= WRITABLE or at >= WRITABLE_END for at, data in segments)
    fixed = [(FLASH, WRITABLE), (WRITABLE_END, FLASH + FLASH_BYTES)] if has_store else [(FLASH, FLASH + FLASH_BYTES)]
    for start, end in fixed:
        uc.mem_map(start, end - start, UC_PROT_READ | UC_PROT_EXEC)
    uc.mem_map(SRAM, SRAM_BYTES)
    for at, data in segments:
        uc.mem_write(at, data)

    def window(start, length, read_at, write_at):
        def access(act):
            try:
                value = act()
                if chip.ended:
                    uc.emu_stop()
                return value
            except Refused as refused:
                failures.append(f"{refused} (at {uc.reg_read(UC_ARM_REG_PC):#x})")
                uc.emu_stop()
                return 0

        read = lambda _, offset, size, data: access(lambda: read_at(offset, size))
        write = lambda _, offset, size, value, data: access(lambda: write_at(offset, size, value))
        uc.mmio_map(start, length, read, None, write, None)

    failures = []
    for start, device in ((PERIPHERALS, chip), (CORE, core)):
        window(
            start,
            WINDOW,
            lambda offset, _, start=start, device=device: device.read(start + offset),
            lambda offset, _, value, start=start, device=device: device.write(start + offset, value),
        )
    if has_store:
        window(WRITABLE, WRITABLE_END - WRITABLE, chip.flash.read, chip.flash.program)
    return uc, failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("elf")
    parser.add_argument("--no-crystal", action="store_true")
    parser.add_argument("--report")
    parser.add_argument("--flash", type=Path)
    parser.add_argument("--cut", type=int)
    args = parser.parse_args()
    described = json.loads((Path(__file__).parent / "registers.json").read_text())
    chip = Chip(described["chip"], not args.no_crystal)
    kept = args.flash.read_bytes() if args.flash and args.flash.exists() else b"\xff" * (WRITABLE_END - WRITABLE)
    flash = Flash(chip, kept, args.cut)
    core = Core(described["core"], flash)
    uc, failures = machine(args.elf, chip, core)
    stack, entry = (int.from_bytes(uc.mem_read(FLASH + at, 4), "little") for at in (0, 4))
    uc.reg_write(UC_ARM_REG_SP, stack)
    try:
        uc.emu_start(entry, 0)
    except UcError as error:
        failures.append(f"{error} (at {uc.reg_read(UC_ARM_REG_PC):#x})")
    if failures:
        raise SystemExit(failures[0])
    if args.flash:
        args.flash.write_bytes(flash.content)
    hz, usart = chip.clocks()
    if args.report:
        report = {
            "clockHz": hz,
            "crystal": bool(chip.get("RCC_PLLCFGR.PLLSRC")),
            "waitStates": chip.get("FLASH_ACR.LATENCY"),
            "overDrive": bool(chip.get("PWR_CSR1.ODSWRDY")),
            "accelerator": bool(chip.get("FLASH_ACR.ARTEN")),
            "instructionCache": bool(core.values["SCB_CCR"] & 1 << 17),
            "dataCache": bool(core.values["SCB_CCR"] & 1 << 16),
            "vectors": core.values["SCB_VTOR"],
            "flashOperations": flash.operations,
            "cycleCounter": bool(core.values["DWT_CTRL"] & 1 and core.values["CORE_DEMCR"] & 1 << 24),
            "baud": usart / chip.values["USART1_BRR"],
        }
        Path(args.report).write_text(json.dumps(report))


main()
