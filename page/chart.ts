// The charts of a report, in the browser. These files are scripts, not modules: they are compiled into one, which the page holds.

/// <reference path="../node_modules/uplot/dist/uPlot.d.ts" />

type Plot = uPlot;
type Entry = import('../dist/report/data.js').Entry | import('../dist/report/live.js').LiveEntry;
/** A report, or what is shown of a command that has not ended. */
interface Data {
  readonly entries: readonly Entry[];
}
type Runs = import('../dist/report/data.js').RunsEntry;
type Training = import('../dist/report/live.js').TrainingEntry;
type Search = import('../dist/report/data.js').SearchEntry;
type Searching = import('../dist/report/live.js').SearchingEntry;
type Figures = import('../dist/report/data.js').ProgramFigures;

/** Something in a chart that can be pointed at, with the pointer or the keyboard. */
interface Thing {
  /** Its place in the scales `x` and `y`. */
  readonly x: number;
  readonly y: number;
  /** Lines of text; the first names it. */
  readonly text: string;
}

/** A colour of the style sheet, as it is now: light or dark. */
function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function thousands(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  of: HTMLElement,
  name = '',
  text = '',
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  of.append(element);
  return element;
}

/** An axis in the colours of the page. `words` turns its marks into text. */
function axis(label: string, words: (value: number) => string, more: Partial<uPlot.Axis> = {}): uPlot.Axis {
  return {
    label,
    labelSize: 20,
    labelFont: '12px system-ui, sans-serif',
    font: '12px system-ui, sans-serif',
    stroke: () => color('dim'),
    grid: { stroke: () => color('line'), width: 1 },
    ticks: { stroke: () => color('line'), width: 1 },
    values: (_, marks) => marks.map(words),
    ...more,
  };
}

/** A part of a scale. */
interface Span {
  readonly min: number;
  readonly max: number;
}

/** What a chart is made of. */
interface Chart {
  readonly host: HTMLElement;
  readonly height: number;
  readonly options: Omit<uPlot.Options, 'width' | 'height' | 'scales' | 'cursor'>;
  readonly data: uPlot.AlignedData;
  /** The whole of both scales. */
  readonly whole: View;
  /** Names what is drawn: where the same is drawn again, what was zoomed into stays. */
  readonly name?: string;
  readonly things: () => readonly Thing[];
  /** Number of the thing at a place of the scales and of the chart's pixels; -1 if there is none. */
  readonly at: (plot: Plot, x: number, y: number, left: number, top: number) => number;
}

const ZOOM = 1.6;

/** The parts of both scales that a chart shows. */
interface View {
  readonly x: Span;
  readonly y: Span;
}

/** What ends the chart that is drawn in an element, before another one is; it tells the part that was zoomed into, if it was. */
const endings = new WeakMap<HTMLElement, () => View | undefined>();

function between(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** A part of a scale, zoomed by a factor around a middle and kept within the whole. */
function part(range: Span, whole: Span, factor: number, middle: number): Span {
  const size = Math.min(whole.max - whole.min, (range.max - range.min) * factor);
  const share = (middle - range.min) / (range.max - range.min || 1);
  const min = between(middle - share * size, whole.min, whole.max - size);
  return { min, max: min + size };
}

function rangeOf(plot: Plot, key: 'x' | 'y', whole: Span): Span {
  const { min, max } = plot.scales[key] ?? {};
  return { min: min ?? whole.min, max: max ?? whole.max };
}

/**
 * Draws a chart that can be read with the pointer and with the keyboard: arrows go from thing to thing, + and - zoom, 0 shows the whole. What is pointed at is shown
 * beside it and said to screen readers.
 */
function draw({ host, height, options, data, whole, name = '', things, at }: Chart): void {
  const before = endings.get(host)?.();
  const zoomed = host.dataset['drawn'] === name ? before : undefined;
  host.dataset['drawn'] = name;
  host.replaceChildren();
  const size = () => ({ width: Math.max(240, host.clientWidth), height });
  let chosen = -1;
  const plot = new uPlot(
    {
      ...size(),
      legend: { show: false },
      ...options,
      scales: {
        x: { time: false, auto: false, range: (_, min, max) => [min ?? whole.x.min, max ?? whole.x.max] },
        y: { auto: false, range: (_, min, max) => [min ?? whole.y.min, max ?? whole.y.max] },
      },
      // A double click shows the whole, by the listener below.
      cursor: { points: { show: false }, drag: { x: true, y: true, uni: 20 }, bind: { dblclick: () => null } },
    },
    data,
    host,
  );
  const tip = make('div', host, 'tip');
  const said = make('div', host, 'said');
  said.setAttribute('aria-live', 'polite');
  tip.hidden = true;
  const hide = () => {
    chosen = -1;
    tip.hidden = true;
  };
  const show = (number: number, say: boolean) => {
    const thing = things()[number];
    if (!thing) return hide();
    chosen = number;
    tip.textContent = thing.text;
    tip.hidden = false;
    if (say) said.textContent = thing.text;
    const [left, top] = [
      plot.valToPos(thing.x, 'x') + plot.over.offsetLeft,
      plot.valToPos(thing.y, 'y') + plot.over.offsetTop,
    ];
    const room = host.clientWidth - tip.offsetWidth;
    tip.style.left = `${between(left + 12, 0, Math.max(0, room))}px`;
    tip.style.top = `${between(top + 14, 0, height)}px`;
  };
  const zoom = (factor: number, x?: number, y?: number) => {
    const [rx, ry] = [rangeOf(plot, 'x', whole.x), rangeOf(plot, 'y', whole.y)];
    plot.batch(() => {
      plot.setScale('x', part(rx, whole.x, factor, x ?? (rx.min + rx.max) / 2));
      plot.setScale('y', part(ry, whole.y, factor, y ?? (ry.min + ry.max) / 2));
    });
  };
  const look = ({ x, y }: View) => {
    plot.batch(() => {
      plot.setScale('x', x);
      plot.setScale('y', y);
    });
  };
  const reset = () => look(whole);
  look(zoomed ?? whole);
  plot.over.addEventListener('mousemove', event => {
    const box = plot.over.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    show(at(plot, plot.posToVal(left, 'x'), plot.posToVal(top, 'y'), left, top), false);
  });
  plot.over.addEventListener('mouseleave', hide);
  plot.over.addEventListener('dblclick', reset);
  host.tabIndex = 0;
  host.onblur = hide;
  host.onkeydown = event => {
    const count = things().length;
    const steps: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const thing = things()[chosen];
    const step = steps[event.key];
    if (step !== undefined) show((chosen + (chosen < 0 && step < 0 ? 0 : step) + count) % Math.max(1, count), true);
    else if (event.key === '+' || event.key === '=') zoom(1 / ZOOM, thing?.x, thing?.y);
    else if (event.key === '-') zoom(ZOOM, thing?.x, thing?.y);
    else if (event.key === '0' || event.key === 'Escape') reset();
    else return;
    if (event.key === 'Escape') hide();
    event.preventDefault();
  };
  const tools = make('div', host, 'tools');
  for (const [name, what, act] of [
    ['+', 'zoom in', () => zoom(1 / ZOOM)],
    ['−', 'zoom out', () => zoom(ZOOM)],
    ['whole', 'show the whole', reset],
  ] as const) {
    const button = make('button', tools, '', name);
    button.type = 'button';
    button.ariaLabel = what;
    button.onclick = act;
  }
  make('span', tools, 'dim hint', 'drag or + to zoom, double click or 0 for the whole, arrow keys to read');
  const resized = new ResizeObserver(() => {
    if (Math.abs(size().width - plot.width) > 1) plot.setSize(size());
  });
  resized.observe(host);
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  const redraw = () => plot.redraw(false, true);
  scheme.addEventListener('change', redraw);
  endings.set(host, () => {
    resized.disconnect();
    scheme.removeEventListener('change', redraw);
    const view = { x: rangeOf(plot, 'x', whole.x), y: rangeOf(plot, 'y', whole.y) };
    plot.destroy();
    const isWhole = (['x', 'y'] as const).every(
      key => view[key].min <= whole[key].min && view[key].max >= whole[key].max,
    );
    return isWhole ? undefined : view;
  });
}
