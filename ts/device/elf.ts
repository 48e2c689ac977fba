import { TinytrainError } from '../errors.js';

/** A section of an ELF file. */
export interface Section {
  readonly name: string;
  readonly address: number;
  readonly bytes: number;
  /** Position of its content in the file, if it has any. */
  readonly offset: number;
  /** Whether it occupies memory on the device. */
  readonly allocated: boolean;
  /** Whether it has no content in the file (.bss, .stack). */
  readonly empty: boolean;
  readonly writable: boolean;
}

/** A symbol of an ELF file. */
export interface Symbol {
  readonly name: string;
  readonly value: number;
  readonly bytes: number;
  readonly section: number;
}

const SECTION_HEADER = 40;
const SYMBOL = 16;
const TYPE = { symbols: 2, empty: 8 } as const;
const FLAG = { write: 1, alloc: 2 } as const;

function malformed(what: string): TinytrainError {
  return new TinytrainError('ELF_MALFORMED', `not a 32-bit little-endian ELF file: ${what}`);
}

function text(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at, bytes.indexOf(0, at));
}

interface Header extends Section {
  readonly nameAt: number;
  readonly type: number;
  readonly link: number;
}

function header(file: Buffer, at: number): Header {
  const word = (i: number) => file.readUInt32LE(at + 4 * i);
  const flags = word(2);
  return {
    name: '',
    nameAt: word(0),
    type: word(1),
    writable: (flags & FLAG.write) !== 0,
    allocated: (flags & FLAG.alloc) !== 0,
    empty: word(1) === TYPE.empty,
    address: word(3),
    offset: word(4),
    bytes: word(5),
    link: word(6),
  };
}

function readSections(file: Buffer): Header[] {
  const at = file.readUInt32LE(32);
  const count = file.readUInt16LE(48);
  const headers = Array.from({ length: count }, (_, i) => header(file, at + i * SECTION_HEADER));
  const names = headers[file.readUInt16LE(50)];
  if (!names) throw malformed('no section names');
  return headers.map(section => ({ ...section, name: text(file, names.offset + section.nameAt) }));
}

function readSymbols(file: Buffer, sections: readonly Header[]): Symbol[] {
  const table = sections.find(({ type }) => type === TYPE.symbols);
  const names = table && sections[table.link];
  if (!table || !names) return [];
  return Array.from({ length: table.bytes / SYMBOL }, (_, i) => {
    const at = table.offset + i * SYMBOL;
    const name = text(file, names.offset + file.readUInt32LE(at));
    return {
      name,
      value: file.readUInt32LE(at + 4),
      bytes: file.readUInt32LE(at + 8),
      section: file.readUInt16LE(at + 14),
    };
  });
}

/** A linked firmware. */
export class Elf {
  readonly sections: readonly Section[];
  readonly symbols: readonly Symbol[];
  readonly entry: number;
  readonly #file: Buffer;

  constructor(file: Buffer) {
    const valid = file.length > 52 && file.readUInt32BE(0) === 0x7f454c46 && file[4] === 1 && file[5] === 1;
    if (!valid) throw malformed('wrong header');
    this.#file = file;
    this.entry = file.readUInt32LE(24);
    const sections = readSections(file);
    this.sections = sections;
    this.symbols = readSymbols(file, sections);
  }

  /** A section by its name. */
  section(name: string): Section | undefined {
    return this.sections.find(section => section.name === name);
  }

  /** A symbol by its name. */
  symbol(name: string): Symbol | undefined {
    return this.symbols.find(symbol => symbol.name === name);
  }

  /** The 32-bit words of a constant. */
  words(name: string): number[] {
    const symbol = this.symbol(name);
    const section = symbol && this.sections[symbol.section];
    if (!symbol || !section) throw malformed(`there is no ${name}`);
    const at = section.offset + symbol.value - section.address;
    return Array.from({ length: symbol.bytes / 4 }, (_, i) => this.#file.readUInt32LE(at + 4 * i));
  }

  /** The content of a section. */
  content(name: string): Buffer {
    const section = this.section(name);
    return section && !section.empty
      ? this.#file.subarray(section.offset, section.offset + section.bytes)
      : Buffer.alloc(0);
  }
}

/** Reads an ELF file. */
export function readElf(file: Buffer): Elf {
  return new Elf(file);
}
