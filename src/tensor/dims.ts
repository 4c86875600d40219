/**
 * Dimensions: numbers, or letters for what is only known when a graph runs.
 *
 * A symbolic dimension is written in one canonical form, a sum of products of letters such as `2*B*T+P`, so that two
 * dimensions are equal exactly when their values are `===`. The letters are the `dim_param`s of the ONNX graph.
 */
import { QuintetError } from './errors.js';

export type Dim = number | string;
export type Shape = readonly Dim[];

/** Coefficient of each product of letters; the key '' holds the constant. */
type Polynomial = Map<string, number>;

function parse(dim: Dim): Polynomial {
  if (typeof dim === 'number') return new Map(dim === 0 ? [] : [['', dim]]);
  const result: Polynomial = new Map();
  for (const term of dim.replaceAll('-', '+-').split('+')) {
    if (term === '') continue;
    let coefficient = term.startsWith('-') ? -1 : 1;
    const letters: string[] = [];
    for (const factor of term.replace(/^-/, '').split('*')) {
      if (/^\d+$/.test(factor)) coefficient *= Number(factor);
      else if (/^[A-Za-z][A-Za-z0-9_]*$/.test(factor)) letters.push(factor);
      else throw new QuintetError('shape', `"${dim}" is not a dimension`);
    }
    const key = letters.sort().join('*');
    result.set(key, (result.get(key) ?? 0) + coefficient);
  }
  return result;
}

function format(polynomial: Polynomial): Dim {
  const terms = [...polynomial].filter(([, coefficient]) => coefficient !== 0).sort(([a], [b]) => (a < b ? -1 : 1));
  if (terms.length === 0) return 0;
  if (terms.length === 1 && terms[0]?.[0] === '') return terms[0][1];
  // The constant stands last; a sum never starts with it.
  if (terms[0]?.[0] === '') terms.push(terms.shift() as [string, number]);
  return terms
    .map(([letters, coefficient], index) => {
      const magnitude = Math.abs(coefficient);
      const body = letters === '' ? `${magnitude}` : magnitude === 1 ? letters : `${magnitude}*${letters}`;
      return coefficient < 0 ? `-${body}` : index === 0 ? body : `+${body}`;
    })
    .join('');
}

export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  const sum = parse(a);
  for (const [letters, coefficient] of parse(b)) sum.set(letters, (sum.get(letters) ?? 0) + coefficient);
  return format(sum);
}

export function subDims(a: Dim, b: Dim): Dim {
  return addDims(a, mulDims(b, -1));
}

/** Products that were asked for, by both factors: a graph asks for the same ones in each of its layers. */
const products = new Map<Dim, Map<Dim, Dim>>();

export function mulDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  const known = products.get(a) ?? new Map<Dim, Dim>();
  products.set(a, known);
  const product = known.get(b) ?? multiply(a, b);
  known.set(b, product);
  return product;
}

function multiply(a: Dim, b: Dim): Dim {
  const product: Polynomial = new Map();
  for (const [lettersA, x] of parse(a)) {
    for (const [lettersB, y] of parse(b)) {
      const key = [...lettersA.split('*'), ...lettersB.split('*')].filter(Boolean).sort().join('*');
      product.set(key, (product.get(key) ?? 0) + x * y);
    }
  }
  return format(product);
}

/** The exact quotient, or undefined where the divisor does not divide. Sums divide by products, or by themselves. */
export function divDims(a: Dim, b: Dim): Dim | undefined {
  if (a === b) return 1;
  if (typeof a === 'number' && typeof b === 'number') return b !== 0 && a % b === 0 ? a / b : undefined;
  const divisor = [...parse(b)];
  const dividend = parse(a);
  if (divisor.length !== 1) {
    // A multiple of the same sum: compare the leading coefficients and multiply back.
    const [letters, coefficient] = divisor[0] ?? ['', 0];
    const factor = (dividend.get(letters) ?? 0) / coefficient;
    return Number.isInteger(factor) && factor !== 0 && mulDims(b, factor) === a ? factor : undefined;
  }
  const [divisorLetters, divisorCoefficient] = divisor[0] as [string, number];
  const quotient: Polynomial = new Map();
  for (const [letters, coefficient] of dividend) {
    const rest = letters.split('*').filter(Boolean);
    for (const letter of divisorLetters.split('*').filter(Boolean)) {
      const at = rest.indexOf(letter);
      if (at < 0) return undefined;
      rest.splice(at, 1);
    }
    if (coefficient % divisorCoefficient !== 0) return undefined;
    quotient.set(rest.join('*'), coefficient / divisorCoefficient);
  }
  return format(quotient);
}

export function productOf(shape: Shape): Dim {
  return shape.reduce<Dim>(mulDims, 1);
}

/** The letters a dimension is made of. */
export function lettersOf(dim: Dim): string[] {
  if (typeof dim === 'number') return [];
  return [...new Set([...parse(dim).keys()].flatMap((key) => key.split('*')).filter(Boolean))];
}

/** The value of a dimension when each letter has the given value. */
export function evaluateDim(dim: Dim, letters: ReadonlyMap<string, number>): number {
  if (typeof dim === 'number') return dim;
  let sum = 0;
  for (const [key, coefficient] of parse(dim)) {
    let term = coefficient;
    for (const letter of key.split('*').filter(Boolean)) {
      const value = letters.get(letter);
      if (value === undefined) throw new QuintetError('shape', `dimension ${letter} of ${dim} has no value`);
      term *= value;
    }
    sum += term;
  }
  return sum;
}

/** A dimension as a sum of products: `[coefficient, letters]` for each term. For lowering to arithmetic. */
export function termsOf(dim: Dim): [number, string[]][] {
  return [...parse(dim)].map(([letters, coefficient]) => [coefficient, letters.split('*').filter(Boolean)]);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** The shape that two or more operands broadcast to (NumPy's rule); a letter broadcasts only with itself and with 1. */
export function broadcastShapes(...shapes: Shape[]): Dim[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    let result: Dim = 1;
    for (const shape of shapes) {
      const dim = shape[shape.length - rank + i] ?? 1;
      if (dim === 1 || dim === result) continue;
      if (result !== 1) {
        throw new QuintetError(
          'shape',
          `${shapes.map(formatShape).join(' and ')} do not broadcast: ${result} and ${dim}`,
        );
      }
      result = dim;
    }
    return result;
  });
}
