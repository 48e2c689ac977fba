/**
 * The price of an SVG before it is drawn. A kilobyte of references to references can take a day, and nothing stops the library that draws it. So what it may
 * cost at most is counted in the text: every element may cover every pixel, and what is referred to is drawn once for each reference.
 */

/** Most bytes of an SVG's text. */
const MOST_BYTES = 2 ** 22;
/** The most that is drawn, in elements times pixels: a few seconds. */
const MOST_WORK = 4e9;
/** A step of a filter costs as much as this many elements. */
const FILTER = 50;

function countOf(text: string, what: RegExp): number {
  return text.match(what)?.length ?? 0;
}

/** Whether a file begins as an SVG may: with a tag, with white space, with a mark of the order of bytes, or compressed. */
export function mayBeSvg(bytes: Uint8Array): boolean {
  const [first = 0, second] = bytes;
  // JPEG and AVIF begin with these, too, so that the second byte decides.
  if (first === 0xff || first === 0xfe || first === 0) return second === 0xfe || second === 0xff || second === 0x3c;
  return [0x3c, 0x09, 0x0a, 0x0d, 0x20, 0xef, 0x1f].includes(first);
}

/** The names of gradients: what refers to them is a colour, and no more work. */
function gradientsOf(text: string): Set<string> {
  const tags = text.matchAll(/<(?:linear|radial)Gradient\b[^>]*?\bid\s*=\s*["']([^"']*)["']/g);
  return new Set(Array.from(tags, ([, name = '']) => name));
}

/**
 * Why an SVG is not drawn; undefined if it is. With `n` references, the same element is drawn at most 3^(n / 3) times: that is the largest product of
 * numbers whose sum is `n`, and what is referred to is drawn as often as the references at each level say.
 */
export function refusalOf(bytes: Uint8Array, pixels: number): string | undefined {
  if (bytes.length > MOST_BYTES) return `an SVG of ${bytes.length} bytes; at most ${MOST_BYTES} are read`;
  const text = Buffer.from(bytes).toString('utf8');
  if (!/<(?:\w+:)?svg\b/.test(text)) return 'an SVG that is compressed, or not in UTF-8';
  // An entity is text that stands for other text: for references, and for other entities.
  if (/<!ENTITY|<\?xml-stylesheet|@import/i.test(text)) return 'an SVG with entities or style sheets';
  const gradients = gradientsOf(text);
  const names = text.matchAll(/(?:href\s*=\s*["']\s*|url\(\s*["']?)#?([^"')]*)/g);
  const references = Array.from(names).filter(([, name = '']) => !gradients.has(name)).length + countOf(text, /&#/g);
  const elements = countOf(text, /</g) + FILTER * countOf(text, /<(?:\w+:)?fe[A-Z]/g);
  const work = elements * 3 ** (references / 3) * Math.max(1, pixels);
  return work <= MOST_WORK ? undefined : 'an SVG that would take too long to draw';
}
