/** An array as `np.save` writes it. */
export function npy(values: readonly number[], shape: readonly number[], type: string): Buffer {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }\n`;
  const size = Number(type.slice(2));
  const head = Buffer.from(`\x93NUMPY\x01\x00\0\0${text}`, 'latin1');
  head.writeUInt16LE(text.length, 8);
  const body = Buffer.alloc(values.length * size);
  for (const [i, value] of values.entries()) {
    if (type[1] === 'f') {
      if (size === 4) body.writeFloatLE(value, size * i);
      else body.writeDoubleLE(value, size * i);
    } else if (type[1] === 'u') body.writeUIntLE(value, size * i, size);
    else if (size === 8) body.writeBigInt64LE(BigInt(value), size * i);
    else body.writeIntLE(value, size * i, size);
    if (type[0] === '>') body.subarray(size * i, size * (i + 1)).reverse();
  }
  return Buffer.concat([head, body]);
}

/** A sound. `odd` puts a part of odd length before it. */
export function wav(
  values: readonly number[],
  {
    bits,
    format,
    channels,
    rate = 8000,
    odd = false,
  }: { bits: number; format: number; channels: number; rate?: number; odd?: boolean },
): Buffer {
  const size = Math.ceil(bits / 8);
  const data = Buffer.alloc(values.length * size);
  for (const [i, value] of values.entries()) {
    if (format === 3 && size === 4) data.writeFloatLE(value, size * i);
    else if (format === 3) data.writeDoubleLE(value, size * i);
    else if (size === 1) data.writeUInt8(value + 128, i);
    else data.writeIntLE(value, size * i, size);
  }
  const part = (name: string, content: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(content.length);
    return Buffer.concat([Buffer.from(name), length, content, Buffer.alloc(content.length % 2)]);
  };
  const fmt = Buffer.alloc(16);
  fmt.writeUInt16LE(format, 0);
  fmt.writeUInt16LE(channels, 2);
  fmt.writeUInt32LE(rate, 4);
  fmt.writeUInt32LE((rate * channels * size) % 2 ** 32, 8);
  fmt.writeUInt16LE(channels * size, 12);
  fmt.writeUInt16LE(bits, 14);
  const parts = [part('fmt ', fmt), ...(odd ? [part('LIST', Buffer.from('abc'))] : []), part('data', data)];
  return Buffer.concat([part('RIFF', Buffer.concat([Buffer.from('WAVE'), ...parts]))]);
}
