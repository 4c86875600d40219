/**
 * Context-free languages as data: what a regular expression, a list of choices or a JSON schema says about an answer. A rule
 * may lead to itself, so that values nest.
 */
import { type CodePoints, charactersOf } from './code-points.js';

export type Language =
  | { readonly kind: 'set'; readonly set: CodePoints }
  | { readonly kind: 'sequence'; readonly items: readonly Language[] }
  | { readonly kind: 'choice'; readonly options: readonly Language[] }
  | { readonly kind: 'repeat'; readonly body: Language; readonly min: number; readonly max: number }
  /** One of some texts. */
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** The rule of this number in the grammar. */
  | { readonly kind: 'rule'; readonly rule: number };

export interface Grammar {
  /** An answer is a text of the first rule. */
  readonly rules: readonly Language[];
}

export const set = (of: CodePoints): Language => ({ kind: 'set', set: of });
export const anyOf = (characters: string): Language => set(charactersOf(characters));
export const words = (...texts: readonly string[]): Language => ({ kind: 'words', words: texts });
export const rule = (number: number): Language => ({ kind: 'rule', rule: number });
export const nothing: Language = { kind: 'sequence', items: [] };
export const never: Language = { kind: 'choice', options: [] };

/** One after another; texts stand for themselves. */
export function sequence(...items: readonly (Language | string)[]): Language {
  const parts = items.map((item) => (typeof item === 'string' ? words(item) : item));
  return parts.length === 1 ? (parts[0] as Language) : { kind: 'sequence', items: parts };
}

export function choice(...options: readonly (Language | string)[]): Language {
  const parts = options.map((option) => (typeof option === 'string' ? words(option) : option));
  return parts.length === 1 ? (parts[0] as Language) : { kind: 'choice', options: parts };
}

export function repeat(body: Language, min: number, max: number): Language {
  if (max === 0) return nothing;
  return min === 1 && max === 1 ? body : { kind: 'repeat', body, min, max };
}

export const optional = (body: Language): Language => repeat(body, 0, 1);
