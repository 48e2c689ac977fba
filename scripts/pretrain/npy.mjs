/** An array as `np.save` writes it. */
export function npy(values, shape, type) {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const header = `${text.padEnd(64 * Math.ceil((11 + text.length) / 64) - 11)}\n`;
  return Buffer.concat([
    Buffer.from(`\x93NUMPY\x01\x00`, 'latin1'),
    Buffer.from([header.length, 0]),
    Buffer.from(header),
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  ]);
}
