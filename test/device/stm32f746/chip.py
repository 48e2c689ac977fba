"""An STM32F746 that executes an unchanged firmware in Unicorn: stdin and stdout are the two directions of its USART1.

usage: chip.py FIRMWARE.elf [--no-crystal] [--report FILE]      (pip install unicorn pyelftools)

It has memory, a Cortex-M7, and the registers of registers.json (made from ST's description of the chip), which behave as the reference manual RM0385 says as
far as start-up and a polled serial line go. It ends with a sentence, and exit code 1, where a real chip would not work: an access to anything else, a system
clock from a PLL that is not locked, too few wait states, no over-drive, a peripheral without its clock, a pin or a bit rate that is not the serial line's.
It shows that registers are set, and in a working order; it has no notion of time, and its caches and clocks are registers only.

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


class Core:
    """Registers of the Cortex-M7: caches, vector table, cycle counter. Only those of registers.json are there."""

    CCSIDR = 31 << 13 | 3 << 3 | 1  # data cache of an F746: 32 sets, 4 ways, lines of 32 bytes

    def __init__(self, addresses):
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
        if name == "SCB_CCR" and value & 1 << 16:
            require(len(self.cleared) == 128, f"the data cache is on after {len(self.cleared)} of its 128 lines were cleared")
        self.values[name] = value


class Refused(Exception):
    """A sentence: what a real chip would not do."""


def require(condition, sentence):
    if not condition:
        raise Refused(sentence)


def machine(elf, chip, core):
    """Memory, the firmware in it, and the registers; flash cannot be written."""
    uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M7)
    uc.mem_map(FLASH, FLASH_BYTES, UC_PROT_READ | UC_PROT_EXEC)
    uc.mem_map(SRAM, SRAM_BYTES)
    with open(elf, "rb") as file:
        for segment in ELFFile(file).iter_segments("PT_LOAD"):
            if segment["p_filesz"]:
                uc.mem_write(segment["p_paddr"], segment.data())

    def window(start, device):
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

        read = lambda _, offset, size, data: access(lambda: device.read(start + offset))
        write = lambda _, offset, size, value, data: access(lambda: device.write(start + offset, value))
        uc.mmio_map(start, WINDOW, read, None, write, None)

    failures = []
    window(PERIPHERALS, chip)
    window(CORE, core)
    return uc, failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("elf")
    parser.add_argument("--no-crystal", action="store_true")
    parser.add_argument("--report")
    args = parser.parse_args()
    described = json.loads((Path(__file__).parent / "registers.json").read_text())
    chip, core = Chip(described["chip"], not args.no_crystal), Core(described["core"])
    uc, failures = machine(args.elf, chip, core)
    stack, entry = (int.from_bytes(uc.mem_read(FLASH + at, 4), "little") for at in (0, 4))
    uc.reg_write(UC_ARM_REG_SP, stack)
    try:
        uc.emu_start(entry, 0)
    except UcError as error:
        failures.append(f"{error} (at {uc.reg_read(UC_ARM_REG_PC):#x})")
    if failures:
        raise SystemExit(failures[0])
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
            "cycleCounter": bool(core.values["DWT_CTRL"] & 1 and core.values["CORE_DEMCR"] & 1 << 24),
            "baud": usart / chip.values["USART1_BRR"],
        }
        Path(args.report).write_text(json.dumps(report))


main()
