// Sine and cosine by additions and multiplications of doubles alone, which IEEE 754 fixes to the bit: what is drawn is the same on every machine, whatever
// its Math.sin is made of. The angle is reduced by multiples of a right angle, held in three parts of 33 bits and their rests (Cody and Waite), and the rest, up
// to an eighth of a turn, goes through minimax polynomials. Parts and coefficients are those of fdlibm (Sun Microsystems, 1993), so that both agree with
// what V8 computes.

/** Right angles in a radian. */
const PER_RADIAN = 2 / Math.PI;
/** The first 33 bits of a right angle and what is left of it; then the next 33 bits and what is left. */
const FIRST = 1.5707963267341256;
const FIRST_REST = 6.077100506506192e-11;
const SECOND = 6.077100506303966e-11;
const SECOND_REST = 2.0222662487959506e-21;

/** `x - x^3 / 6 ...` and `1 - x^2 / 2 ...`, ascending from these terms on. */
const SINE = [
  -0.16666666666666632, 0.00833333333332249, -0.0001984126982985795, 2.7557313707070068e-6, -2.5050760253406863e-8,
  1.58969099521155e-10,
] as const;
const COSINE = [
  0.0416666666666666, -0.001388888888887411, 2.480158728947673e-5, -2.7557314351390663e-7, 2.087572321298175e-9,
  -1.1359647557788195e-11,
] as const;

/** The largest angle that two parts of a right angle suffice for. */
const LARGEST = 2 ** 19;

const bits = new DataView(new ArrayBuffer(8));

/** Sign, exponent and the first 20 bits behind the point. */
function highWord(x: number): number {
  bits.setFloat64(0, x);
  return bits.getUint32(0);
}

const exponent = (x: number) => (highWord(x) >>> 20) & 0x7ff;

/** An angle from 0 on as a number of right angles, and the rest of at most half of one as the sum of two doubles. */
function reduced(angle: number): { readonly quarters: number; readonly rest: number; readonly tail: number } {
  if (!(angle < LARGEST)) throw new RangeError(`an angle of ${angle}`);
  if (highWord(angle) <= highWord(Math.PI / 4)) return { quarters: 0, rest: angle, tail: 0 };
  const quarters = Math.floor(angle * PER_RADIAN + 0.5);
  let left = angle - quarters * FIRST;
  let less = quarters * FIRST_REST;
  let rest = left - less;
  // Close to a right angle most bits cancel out.
  if (exponent(angle) - exponent(rest) > 16) {
    const before = left;
    less = quarters * SECOND;
    left = before - less;
    less = quarters * SECOND_REST - (before - left - less);
    rest = left - less;
  }
  return { quarters, rest, tail: left - rest - less };
}

function sineOf(x: number, tail: number): number {
  const z = x * x;
  const v = z * x;
  const r = SINE[1] + z * (SINE[2] + z * (SINE[3] + z * (SINE[4] + z * SINE[5])));
  return tail === 0 ? x + v * (SINE[0] + z * r) : x - (z * (0.5 * tail - v * r) - tail - v * SINE[0]);
}

function cosineOf(x: number, tail: number): number {
  const z = x * x;
  const r = z * (COSINE[0] + z * (COSINE[1] + z * (COSINE[2] + z * (COSINE[3] + z * (COSINE[4] + z * COSINE[5])))));
  if (highWord(x) < 0x3fd33333) return 1 - (0.5 * z - (z * r - x * tail));
  // 1 - x^2 / 2 loses bits: a part of it that is exact is taken off first.
  bits.setUint32(0, highWord(x) > 0x3fe90000 ? 0x3fd20000 : highWord(x) - 0x00200000);
  bits.setUint32(4, 0);
  const quarter = bits.getFloat64(0);
  return 1 - quarter - (0.5 * z - quarter - (z * r - x * tail));
}

/** The sine of an angle in radians, of a magnitude below 2^19. */
export function sin(angle: number): number {
  if (angle < 0) return -sin(-angle);
  const { quarters, rest, tail } = reduced(angle);
  const value = quarters % 2 === 0 ? signed(sineOf, rest, tail) : cosineOf(Math.abs(rest), rest < 0 ? -tail : tail);
  return quarters % 4 < 2 ? value : -value;
}

/** The cosine of an angle in radians, of a magnitude below 2^19. */
export function cos(angle: number): number {
  const { quarters, rest, tail } = reduced(Math.abs(angle));
  const value = quarters % 2 === 0 ? cosineOf(Math.abs(rest), rest < 0 ? -tail : tail) : signed(sineOf, rest, tail);
  return quarters % 4 === 1 || quarters % 4 === 2 ? -value : value;
}

/** An odd function by its values above 0. */
function signed(of: (x: number, tail: number) => number, x: number, tail: number): number {
  return x < 0 ? -of(-x, -tail) : of(x, tail);
}

/** Terms of the quotient of polynomials that is `asin(x) / x - 1`, in squares of x. */
const ABOVE = [
  0.16666666666666666, -0.3255658186224009, 0.20121253213486293, -0.04005553450067941, 0.0007915349942898145,
  3.479331075960212e-5,
] as const;
const BELOW = [-2.403394911734414, 2.0209457602335057, -0.6882839716054533, 0.07703815055590194] as const;
/** What a double leaves of a right angle. */
const RIGHT_REST = 6.123233995736766e-17;

function arcRatio(z: number): number {
  const above = ABOVE[0] + z * (ABOVE[1] + z * (ABOVE[2] + z * (ABOVE[3] + z * (ABOVE[4] + z * ABOVE[5]))));
  const below = 1 + z * (BELOW[0] + z * (BELOW[1] + z * (BELOW[2] + z * BELOW[3])));
  return (z * above) / below;
}

/** The angle from 0 to 1.35 with a sine from 0 to 0.975. */
export function asin(sine: number): number {
  if (!(sine >= 0 && sine < 0.975)) throw new RangeError(`a sine of ${sine}`);
  if (sine < 0.5) return sine + sine * arcRatio(sine * sine);
  // Half an angle from above: asin(x) = pi / 2 - 2 asin(sqrt((1 - x) / 2)), with the root's first half apart.
  const half = (1 - sine) * 0.5;
  const root = Math.sqrt(half);
  bits.setFloat64(0, root);
  bits.setUint32(4, 0);
  const first = bits.getFloat64(0);
  const rest = (half - first * first) / (root + first);
  const p = 2 * root * arcRatio(half) - (RIGHT_REST - 2 * rest);
  return Math.PI / 4 - (p - (Math.PI / 4 - 2 * first));
}
