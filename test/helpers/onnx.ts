import { numbers } from './damage.js';

/** A field of a protobuf: an integer, or bytes of a length. */
function field(number: number, value: number | string | Uint8Array): Buffer {
  const isInt = typeof value === 'number';
  const bytes = isInt ? Buffer.alloc(0) : Buffer.from(value as string);
  const head = [...varint(number * 8 + (isInt ? 0 : 2)), ...varint(isInt ? value : bytes.length)];
  return Buffer.concat([Buffer.from(head), bytes]);
}

function varint(value: number): number[] {
  const low = value % 128;
  return value < 128 ? [value] : [low + 128, ...varint((value - low) / 128)];
}

const all = (number: number, values: readonly (number | string | Uint8Array)[]) =>
  Buffer.concat(values.map(value => field(number, value)));

/** A float network in the making. */
export class Onnx {
  readonly #nodes: Buffer[] = [];
  readonly #constants: Buffer[] = [];
  readonly #input: readonly number[];
  readonly #next = numbers(5);
  #last = 'input';

  /** `input`: the dimensions of a batch of one, channels before rows and columns. */
  constructor(input: readonly number[]) {
    this.#input = input;
  }

  #value(name: string, dims: readonly number[]): Buffer {
    const shape = all(
      1,
      dims.map(dim => field(1, dim)),
    );
    const tensor = Buffer.concat([field(1, 1), field(2, shape)]);
    return Buffer.concat([field(1, name), field(2, field(1, tensor))]);
  }

  /** Uniform weights that keep the size of activations from layer to layer: He, Zhang, Ren and Sun, 2015. */
  weights(dims: readonly number[]): string {
    const name = `constant ${this.#constants.length}`;
    const length = dims.reduce((n, dim) => n * dim, 1);
    const size = Math.sqrt((6 * (dims[0] ?? 1)) / length);
    const values = Float32Array.from({ length }, () => size * (this.#next() / 2 ** 31 - 1));
    this.#put(name, dims, values);
    return name;
  }

  /** Zeros: biases of a network that has learned nothing. */
  zeros(length: number): string {
    const name = `constant ${this.#constants.length}`;
    this.#put(name, [length], new Float32Array(length));
    return name;
  }

  #put(name: string, dims: readonly number[], values: Float32Array): void {
    const data = Buffer.from(values.buffer);
    this.#constants.push(Buffer.concat([all(1, dims), field(2, 1), field(8, name), field(9, data)]));
  }

  /** An operator on what the last one yielded. */
  node(op: string, constants: readonly string[] = [], lists: Readonly<Record<string, readonly number[]>> = {}): this {
    const output = `${op} ${this.#nodes.length}`;
    const attributes = Object.entries(lists).map(([name, ints]) =>
      Buffer.concat([field(1, name), all(8, ints), field(20, 7)]),
    );
    this.#nodes.push(
      Buffer.concat([all(1, [this.#last, ...constants]), field(2, output), field(4, op), all(5, attributes)]),
    );
    this.#last = output;
    return this;
  }

  bytes(): Buffer {
    const graph = Buffer.concat([
      all(1, this.#nodes),
      field(2, 'net'),
      all(5, this.#constants),
      field(11, this.#value('input', this.#input)),
      field(12, this.#value(this.#last, [])),
    ]);
    return Buffer.concat([field(1, 8), field(2, 'test'), field(7, graph), field(8, field(2, 13))]);
  }
}

/** A small classifier of images: two convolutions, the mean, two classes. */
export function smallNet(side: number): Buffer {
  const net = new Onnx([1, 3, side, side]);
  const window = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
  net.node('Conv', [net.weights([8, 3, 3, 3]), net.zeros(8)], window).node('Relu');
  net.node('Conv', [net.weights([16, 8, 3, 3]), net.zeros(16)], window).node('Relu');
  net.node('GlobalAveragePool').node('Flatten');
  return net.node('Gemm', [net.weights([16, 2]), net.zeros(2)]).bytes();
}

/** A small classifier of series of so many rows and columns: two convolutions over time, the mean, two classes. */
export function seriesNet(rows: number, columns: number): Buffer {
  const net = new Onnx([1, columns, rows]);
  const window = { kernel_shape: [5], strides: [2], pads: [2, 2] };
  net.node('Conv', [net.weights([8, columns, 5]), net.zeros(8)], window).node('Relu');
  net.node('Conv', [net.weights([12, 8, 5]), net.zeros(12)], window).node('Relu');
  net.node('GlobalAveragePool').node('Flatten');
  return net.node('Gemm', [net.weights([12, 2]), net.zeros(2)]).bytes();
}
