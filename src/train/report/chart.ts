/**
 * A chart as HTML around an SVG: lines are drawn once for each scale and each degree of smoothing, of which the page's style
 * shows one. There is no script: what is pointed at is told by a strip that lies over the chart.
 */
import { type Html, html, raw } from './html.js';
import { averaged, logTicks, mean, type Point, smoothed, thinned, ticks } from './series.js';

export interface Curve {
  /** Which run it is of: its colour. */
  readonly run: number;
  readonly name: string;
  readonly points: readonly Point[];
  /** Whether each point counts, as of evaluations: it is marked, and nothing is smoothed. */
  readonly marked?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** Where stages begin. */
  readonly borders: readonly { readonly x: number; readonly name: string }[];
  readonly format: (value: number) => string;
  /** Whether the axis begins at zero, and is never logarithmic. */
  readonly fromZero?: boolean;
  readonly wide?: boolean;
}

/** Degrees of smoothing that can be chosen; the first is none. */
export const weights = [0, 0.6, 0.9, 0.97] as const;
export const usualWeight = 0.6;

/** More points than a chart has pixels to tell apart. */
const mostPoints = 400;
const strips = 80;

interface Scale {
  readonly name: 'linear' | 'log';
  readonly ticks: readonly number[];
  /** From 0 at the bottom to 1 at the top. */
  place(value: number): number;
}

export function chart(options: Chart): Html {
  const { title, curves, borders, format, wide = false } = options;
  const points = curves.flatMap((curve) => curve.points);
  const last = points.reduce((most, { x }) => Math.max(most, x), 1);
  const across = (x: number): number => (100 * x) / last;
  const scales = scalesOf(points, options);
  return html`<figure class="chart${wide ? ' wide' : ''}">
<figcaption>${title}${legend(curves)}</figcaption>
<div class="area">
${scales.map((scale) => plot(scale, curves, { last, format }))}
<div class="over">${borders.map(({ x, name }) => html`<span class="border" style="left:${fixed(across(x))}%"><b>${name}</b></span>`)}
${tips(curves, last, format)}</div>
</div>
<div class="steps">${ticks(0, last, 5).map((x) => html`<span style="left:${fixed(across(x))}%">${shortCount(x)}</span>`)}</div>
</figure>
`;
}

/** Names of curves, where there are several kinds of them. */
function legend(curves: readonly Curve[]): Html | undefined {
  const kinds = [...new Map(curves.map(({ name, marked = false }) => [name, marked]))];
  if (kinds.length < 2) return undefined;
  return html`<span class="legend">${kinds.map(([name, marked]) => html`<span class="${marked ? 'key marked' : 'key'}">${name}</span>`)}</span>`;
}

// Long runs have more points than a call takes arguments.
const leastOf = (values: readonly number[]): number =>
  values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
const mostOf = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

function scalesOf(points: readonly Point[], { fromZero = false }: Chart): Scale[] {
  const values = points.map(({ y }) => y).filter(Number.isFinite);
  const low = fromZero ? 0 : leastOf(values);
  const high = mostOf(values);
  const pad = high > low ? 0.04 * (high - low) : Math.max(Math.abs(high) * 0.1, 1e-9);
  const [bottom, top] = [fromZero ? 0 : low - pad, high + pad];
  const linear: Scale = {
    name: 'linear',
    ticks: ticks(bottom, top, 4.5),
    place: (value) => (value - bottom) / (top - bottom),
  };
  const positive = values.filter((value) => value > 0);
  // What begins at zero, such as a share, or knows no order of magnitude looks the same on both.
  if (fromZero || positive.length === 0) return [linear, { ...linear, name: 'log' }];
  const [least, most] = [Math.log(leastOf(positive)), Math.log(mostOf(positive))];
  const room = most > least ? 0.04 * (most - least) : 0.1;
  return [
    linear,
    {
      name: 'log',
      ticks: logTicks(Math.exp(least - room), Math.exp(most + room)),
      place: (value) => (value > 0 ? (Math.log(value) - least + room) / (most - least + 2 * room) : Number.NaN),
    },
  ];
}

interface PlotOptions {
  readonly last: number;
  readonly format: Chart['format'];
}

function plot(scale: Scale, curves: readonly Curve[], { last, format }: PlotOptions): Html {
  const path = (points: readonly Point[]): string => lineOf(points, { last, place: scale.place });
  const lines = curves.map(({ run, points, marked }) => {
    if (marked) {
      const dots = points.map((point) => path([point])).join('');
      return html`<g class="run${run} marked"><path d="${path(points)}"/><path class="dots" d="${dots}"/></g>`;
    }
    const rough = html`<path class="rough" d="${path(thinned(points, mostPoints))}"/>`;
    // As in TensorBoard, smoothing is over what is drawn: of a long run over means.
    const means = averaged(points, mostPoints / 2);
    const smooth = weights
      .filter((weight) => weight > 0)
      .map((weight) => html`<path class="w${weight * 100}" d="${path(smoothed(means, weight))}"/>`);
    return html`<g class="run${run}">${rough}${smooth}</g>`;
  });
  return html`<div class="plot ${scale.name}">
${scale.ticks.map((value) => html`<span class="tick" style="bottom:${fixed(100 * scale.place(value))}%"><b>${format(value)}</b></span>`)}
<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">${lines}</svg>
</div>
`;
}

/** A path through points; one that cannot be placed interrupts it. A single point is a line of no length: a dot. */
function lineOf(
  points: readonly Point[],
  { last, place }: { readonly last: number; readonly place: Scale['place'] },
): string {
  let open = false;
  const parts = points.map(({ x, y }) => {
    const height = place(y);
    if (!Number.isFinite(height)) {
      open = false;
      return '';
    }
    const at = `${fixed((1000 * x) / last)} ${fixed(1000 * (1 - height))}`;
    const part = `${open ? 'L' : 'M'}${at}`;
    open = true;
    return part;
  });
  return points.length === 1 && open ? `${parts.join('')}h0` : parts.join('');
}

/** What lies at a place, told where it is pointed at. */
function tips(curves: readonly Curve[], last: number, format: Chart['format']): Html[] {
  const count = Math.min(strips, Math.max(1, last));
  const width = 100 / count;
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [(i * last) / count, ((i + 1) * last) / count];
    const found = curves.flatMap(({ run, name, points, marked }) => {
      const inside = points.filter(({ x }) => x > from && x <= to);
      const ends = (points.at(-1)?.x ?? 0) < from;
      const near = marked || ends ? undefined : points.findLast(({ x }) => x <= to);
      if (inside.length > 0) return [{ run, name, x: inside.at(-1)?.x ?? to, y: mean(inside.map(({ y }) => y)) }];
      return near ? [{ run, name, ...near }] : [];
    });
    const [first] = found;
    if (!first) return raw('');
    const side = i < count / 2 ? 'right' : 'left';
    const values = found.map(({ run, name, y }) => html`<span class="run${run}">${name} <b>${format(y)}</b></span>`);
    return html`<span class="at" style="left:${fixed(i * width)}%;width:${fixed(width)}%"><span class="tip ${side}">step ${Math.round(first.x)}${values}</span></span>
`;
  });
}

const fixed = (value: number): string => String(Math.round(10 * value) / 10);

/** Steps as `500` and `12k`. */
export function shortCount(value: number): string {
  if (value < 10_000) return String(value);
  return value < 1e6 ? `${Number((value / 1e3).toPrecision(4))}k` : `${Number((value / 1e6).toPrecision(4))}M`;
}
