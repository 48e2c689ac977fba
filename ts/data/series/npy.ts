import type { Table } from './rows.js';

type Reader = (view: DataView, at: number, little: boolean) => number;

/** Bytes of a value and how to read it, by the type in a header without its byte order. */
const types: Readonly<Record<string, readonly [number, Reader]>> = {
  b1: [1, (view, at) => view.getUint8(at)],
  i1: [1, (view, at) => view.getInt8(at)],
  u1: [1, (view, at) => view.getUint8(at)],
  i2: [2, (view, at, little) => view.getInt16(at, little)],
  u2: [2, (view, at, little) => view.getUint16(at, little)],
  i4: [4, (view, at, little) => view.getInt32(at, little)],
  u4: [4, (view, at, little) => view.getUint32(at, little)],
  i8: [8, (view, at, little) => Number(view.getBigInt64(at, little))],
  f4: [4, (view, at, little) => view.getFloat32(at, little)],
  f8: [8, (view, at, little) => view.getFloat64(at, little)],
};

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');

/** The text of the header, and where the values begin. */
function headerOf(bytes: Buffer): { readonly text: string; readonly begin: number } {
  if (bytes.subarray(0, 2).toString('latin1') === 'PK')
    throw new Error('an .npz archive; save each array with np.save');
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('not an .npy file: it does not begin with NUMPY');
  const wide = (bytes[6] ?? 0) > 1;
  if (bytes.length < (wide ? 12 : 10)) throw new Error('the .npy ends within its header');
  const [from, length] = wide ? [12, bytes.readUInt32LE(8)] : [10, bytes.readUInt16LE(8)];
  if (from + length > bytes.length) throw new Error('the .npy ends within its header');
  return { text: bytes.subarray(from, from + length).toString('latin1'), begin: from + length };
}

/**
 * Reads an array that `np.save` has written: the first axis is time, the last one the columns, and those between belong to a row. Throws an error whose
 * message says what is wrong; nothing is allocated before the shape that the header claims has been compared with the file.
 */
export function readNpy(bytes: Buffer): Table {
  const { text, begin } = headerOf(bytes);
  const descr = /'descr':\s*'([<>|=]?)([a-zA-Z]\d+)'/.exec(text);
  const order = /'fortran_order':\s*(True|False)/.exec(text);
  const found = /'shape':\s*\(([\d\s,]*)\)/.exec(text);
  if (!descr || !order || !found) throw new Error('the header of the .npy does not say type, order and shape');
  const type = types[descr[2] ?? ''];
  if (!type) throw new Error(`the .npy has values of type ${descr[2]}; supported: integers, float32 and float64`);
  const shape = (found[1] ?? '').split(',').flatMap(part => (part.trim() === '' ? [] : [Number(part)]));
  const [rows = 1, ...inner] = shape;
  const rowLength = inner.reduce((product, size) => product * size, 1);
  const [size, read] = type;
  const room = Math.floor((bytes.length - begin) / size);
  if (!(rows * rowLength <= room)) {
    throw new Error(`the .npy says that it has ${shape.join(' x ')} values; the file holds ${room}`);
  }
  if (order[1] === 'True' && shape.length > 1)
    throw new Error('the .npy is in Fortran order; save np.ascontiguousarray(x)');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = descr[1] !== '>';
  const values = Float64Array.from({ length: rows * rowLength }, (_, i) => read(view, begin + size * i, little));
  return { rows, rowLength, columns: inner.at(-1) ?? 1, values };
}
