/** Causal attention over a key-value cache. */

import { along, fill, get, inEightBits, logOfSum, naive, total, type Values } from './arrays.js';

type Attention = {
  num_heads: number;
  kv_num_heads: number;
  scale: number;
  do_rotary: number;
  local_window_size?: number;
  softcap?: number;
  present: number[];
};

/** Turns the two halves of a head's vector by the angles of its position. */
function rotated(vector: number[], position: number, cos: Values, sin: Values): number[] {
  const half = vector.length / 2;
  return vector.map((v, i) => {
    const angle = [position, i % half];
    const other = i < half ? -(vector[i + half] as number) : (vector[i - half] as number);
    return v * get(cos, angle) + other * get(sin, angle);
  });
}

export const attentionWeights = naive((_, q, k, mask) => {
  const [batch, heads, queries, width] = q.shape as [number, number, number, number];
  const [groups, keys] = [k.shape[1] as number, k.shape[2] as number];
  const none = { shape: [1], data: [0] };
  const added = mask ?? none;
  const scores = fill([batch, heads, queries, keys], ([n, h, t, s]) => {
    const group = Math.floor((h as number) / (heads / groups));
    const products = Array.from(
      { length: width },
      (_, i) => get(q, [n as number, h as number, t as number, i]) * get(k, [n as number, group, s as number, i]),
    );
    return total(products) + get(added, [n as number, h as number, t as number, s as number]);
  });
  return [fill(scores.shape, (at) => Math.exp(get(scores, at) - logOfSum(along(scores, at, 3))))];
});

export const groupQueryAttention = naive<Attention>(
  (attributes, query, key, value, pastKey, pastValue, last, all, cos, sin, ...steps) => {
    const {
      num_heads: heads,
      kv_num_heads: groups,
      present,
      do_rotary,
      local_window_size: window = Infinity,
      softcap: cap,
    } = attributes;
    const [batch, tokens] = query.shape as [number, number];
    const width = pastKey?.shape[3] as number;
    const scale = attributes.scale || 1 / Math.sqrt(width);
    const head = (x: Values, n: number, t: number, h: number, position?: number): number[] => {
      const vector = Array.from({ length: width }, (_, i) => get(x, [n, t, h * width + i]));
      return do_rotary && position !== undefined && cos && sin ? rotated(vector, position, cos, sin) : vector;
    };
    // A call with as many tokens as the longest row is the first: rows then start at 0 and are padded at the end.
    const past = (n: number): number => (tokens === all?.data[0] ? 0 : (last?.data[n] as number) + 1 - tokens);
    // In eight bits: what a step of some channel of a group stands for.
    const stepOf = (of: Values, g: number, i: number): number =>
      of.data[of.data.length === 1 ? 0 : g * width + i] as number;
    const [keyStep, valueStep] = steps.slice(3) as (Values | undefined)[];
    const cache = (old: Values, fresh: Values, turn: boolean, step: Values | undefined): Values =>
      fill([batch, groups, present[0] as number, width], ([n, g, s, i]) => {
        const [row, at] = [n as number, s as number];
        const t = at - past(row);
        if (t >= tokens || at > (last?.data[row] as number)) return Number.NaN;
        if (t < 0) return get(old, [row, g as number, at, i as number]);
        const number = head(fresh, row, t, g as number, turn ? at : undefined)[i as number] as number;
        return step ? inEightBits(number, stepOf(step, g as number, i as number)) : number;
      });
    const keys = cache(pastKey as Values, key as Values, true, keyStep);
    const values = cache(pastValue as Values, value as Values, false, valueStep);
    const read = (from: Values, step: Values | undefined, at: readonly number[]): number =>
      get(from, at) * (step ? stepOf(step, at[1] as number, at[3] as number) : 1);
    const y = fill(query.shape, ([n, t, place]) => {
      const [row, at] = [n as number, t as number];
      const position = past(row) + at;
      if (position > (last?.data[row] as number)) return Number.NaN;
      const [h, i] = [Math.floor((place as number) / width), (place as number) % width];
      const g = Math.floor(h / (heads / groups));
      const q = head(query, row, at, h, position);
      const scores = Array.from({ length: position + 1 }, (_, s) => {
        if (position - s >= window) return -Infinity;
        const score = total(q.map((v, j) => v * scale * read(keys, keyStep, [row, g, s, j])));
        return cap ? cap * Math.tanh(score / cap) : score;
      });
      const norm = logOfSum(scores);
      return total(scores.map((score, s) => Math.exp(score - norm) * read(values, valueStep, [row, g, s, i])));
    });
    return [y, keys, values];
  },
);

type Rotary = { num_heads: number; rotary_embedding_dim?: number };

export const rotaryEmbedding = naive<Rotary>(({ num_heads: heads, rotary_embedding_dim: part }, x, cos, sin) => {
  const width = (x.shape[2] as number) / heads;
  const turned = part ?? width;
  const y = fill(x.shape, ([n, t, place]) => {
    const [h, i] = [Math.floor((place as number) / width), (place as number) % width];
    const at = (j: number): number => get(x, [n as number, t as number, h * width + j]);
    if (i >= turned) return at(i);
    const angle = [n as number, t as number, i % (turned / 2)];
    const other = i < turned / 2 ? -at(i + turned / 2) : at(i - turned / 2);
    return at(i) * get(cos as Values, angle) + other * get(sin as Values, angle);
  });
  return [y];
});
