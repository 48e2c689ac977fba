import { variable } from '#host';
import { TinytrainError } from '../errors.js';
import { thousands } from '../format.js';
import { check, real } from '../kinds.js';

/** What computing with a model takes: known from its shapes, before anything is computed. */
export interface ModelPrice {
  /** Products and gathered elements of a forward pass. */
  readonly products: number;
  /** Elements of all activations; calibration holds them all, and their gradients, in float64. */
  readonly elements: number;
  readonly operations: number;
}

/**
 * The largest price at which a model is computed with: a hundred times what fits a microcontroller. Calibration then takes minutes, and about a gigabyte for
 * each thread, at most.
 */
export const defaultMostPrice: ModelPrice = { products: 2e9, elements: 2 ** 24, operations: 1000 };

/** The shapes of a model. */
interface Shapes {
  readonly input: { readonly shape: readonly number[] };
  readonly layers: readonly {
    readonly macs: number;
    readonly output: readonly number[];
    readonly kernel?: readonly number[];
  }[];
}

function volume(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** The price of a model. */
export function priceOf({ input, layers }: Shapes): ModelPrice {
  let [products, elements] = [0, volume(input.shape)];
  for (const { macs, output, kernel = [1, 1] } of layers) {
    products += Math.max(macs, volume(output) * volume(kernel));
    elements += volume(output);
  }
  return { products, elements, operations: layers.length };
}

/** How many times the default price may be paid. */
const limit = real({ above: 0, to: 1e6 });

/** How many times the default prices may be paid: what the environment variable `TINYTRAIN_MODEL_LIMIT` says. Throws `OPTION_INVALID`. */
export function priceFactor(): number {
  const text = variable('TINYTRAIN_MODEL_LIMIT');
  if (text === undefined || text === '') return 1;
  const times: unknown = limit.parse?.(text);
  check('TINYTRAIN_MODEL_LIMIT', limit, times);
  return times;
}

/** The largest price, as many times the default as is allowed. Throws `OPTION_INVALID`. */
export function mostPrice(): ModelPrice {
  const times = priceFactor();
  const { products, elements, operations } = defaultMostPrice;
  return { products: times * products, elements: times * elements, operations: times * operations };
}

/** What to do about something beyond its price. */
export function tooLarge(what: string): string {
  return `no microcontroller takes ${what} of this size; where it is meant, TINYTRAIN_MODEL_LIMIT=10 allows ten times as much`;
}

/** Throws `MODEL_TOO_LARGE` for a model beyond a price. */
export function checkPrice(path: string, price: ModelPrice, most: ModelPrice): void {
  const names = ['products', 'elements', 'operations'] as const;
  const name = names.find(each => !(price[each] <= most[each]));
  if (name === undefined) return;
  const what = {
    products: 'products in a forward pass',
    elements: 'elements of activations',
    operations: 'operations',
  }[name];
  throw new TinytrainError(
    'MODEL_TOO_LARGE',
    `${path}: ${thousands(price[name])} ${what}; at most ${thousands(most[name])} are computed with`,
    {
      path,
      price,
      most,
      help: [tooLarge('a model')],
    },
  );
}
