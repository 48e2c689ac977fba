import { checkImageInput, type Fitting } from '../data/images/input.js';
import type { InputFormat } from '../data/input.js';
import { fittingOf } from '../data/origin.js';
import { TinytrainError } from '../errors.js';
import { options as all, checkOptions, optionTable } from '../options.js';
import { Device, type DeviceOptions, type Identity } from './device.js';
import { openFirmware } from './firmware.js';
import { SerialConnection } from './serial.js';

/** How to open a board. */
export interface OpenBoardOptions extends DeviceOptions {
  /** Bits per second. */
  readonly baud?: number | undefined;
  /** The folder of the firmware that the board should hold. */
  readonly firmware?: string | undefined;
}

const { baud, firmware, timeoutMs, signal } = all;
const openOptions = optionTable<OpenBoardOptions>({ baud, firmware, timeoutMs, signal });

/** A board behind a serial port. Samples are sent to it as pixels, which its firmware quantises. */
export interface OpenBoard {
  readonly device: Device;
  readonly identity: Identity;
  /** Name of the model; undefined without a firmware folder. */
  readonly model: string | undefined;
  /** Names of the classes; undefined without a firmware folder. */
  readonly classes: readonly string[] | undefined;
  /** Shape of a sample in pixels. */
  readonly input: InputFormat;
  /** How images are fitted to the input. */
  readonly fitting: Fitting;
  /** The name of a class, or its number in words. */
  nameOf(label: number): string;
}

/** The table of an input whose int8 values are pixels less 128. */
const shifted = Int8Array.from({ length: 256 }, (_, pixel) => pixel - 128);

/** The pixels of a sample that was decoded with the input of a `OpenBoard`. */
export function pixelsOf(sample: Int8Array): Uint8Array {
  return Uint8Array.from(sample, q => q + 128);
}

/**
 * Opens a port and identifies the board behind it. Throws `PORT_FAILED`, `DEVICE_SILENT`, `DEVICE_GONE`; with a firmware folder `FIRMWARE_OTHER` if
 * the board holds another program, and the errors of opening the folder.
 */
export async function openBoard(path: string, options: OpenBoardOptions = {}): Promise<OpenBoard> {
  checkOptions(openOptions, options);
  const { baud, firmware } = options;
  const manifest = firmware === undefined ? undefined : await openFirmware(firmware);
  const device = new Device(await SerialConnection.open(path, baud), options);
  try {
    const identity = await device.identify();
    if (manifest && manifest.program.hash !== identity.program) throw otherProgram(identity, manifest.program.hash);
    const [height, width, channels] = identity.shape;
    const input = { height, width, channels, tables: [shifted] };
    checkImageInput(input);
    const classes = manifest?.origin.data.classes;
    return {
      device,
      identity,
      model: manifest?.origin.model.name,
      classes,
      input,
      fitting: fittingOf(manifest?.origin.data.origin),
      nameOf: label => classes?.[label] ?? `class ${label}`,
    };
  } catch (error) {
    await device.close();
    throw error;
  }
}

/** The error of a board that holds another program than a firmware folder. */
export function otherProgram({ board, program }: Identity, expected: string): TinytrainError {
  return new TinytrainError('FIRMWARE_OTHER', `${board} runs another program, ${program.slice(0, 16)}`, {
    device: program,
    program: expected,
    help: ['`make flash` in the firmware folder, or `npx tinytrain device flash`, writes this one to the board'],
  });
}

/**
 * The board's class for each class of a data set: by name with a firmware folder, otherwise by place. Throws `CLASSES_DIFFER` for a class that the board
 * does not know.
 */
export function placesOf({ classes, identity }: OpenBoard, names: readonly string[]): readonly number[] {
  if (!classes) {
    if (names.length === identity.classes) return names.map((_, i) => i);
    throw new TinytrainError(
      'CLASSES_DIFFER',
      `${names.length} classes of images for the ${identity.classes} classes of the board`,
      { found: names.length, expected: identity.classes, help: ['--firmware DIR tells which of them these are'] },
    );
  }
  return names.map(name => {
    const place = classes.indexOf(name);
    if (place >= 0) return place;
    throw new TinytrainError('CLASSES_DIFFER', `the board knows no class ${name}`, {
      class: name,
      known: classes,
      help: [`its classes: ${classes.join(', ')}`],
    });
  });
}
